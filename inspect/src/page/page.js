// The page: asks for JSON, shows it. Text goes into the page as text only.
"use strict";

const $ = (id) => document.getElementById(id);

function element(name, className, text) {
  const made = document.createElement(name);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

async function ask(path) {
  try {
    const answer = await fetch(path);
    if (!answer.ok) throw new Error(await answer.text());
    $("problem").hidden = true;
    return await answer.json();
  } catch (error) {
    $("problem").textContent = "no answer: " + error.message;
    $("problem").hidden = false;
    return null;
  }
}

// ---- overview ----

const history_of = { goroutines: [], switches: [] };
let before = null;

function chart(canvas, values) {
  const pen = canvas.getContext("2d");
  const most = Math.max(1, ...values);
  pen.clearRect(0, 0, canvas.width, canvas.height);
  pen.strokeStyle = pen.fillStyle = getComputedStyle(document.documentElement).getPropertyValue("--hue");
  pen.beginPath();
  values.forEach((value, i) => {
    const x = canvas.width * (1 - (values.length - 1 - i) / 120);
    pen.lineTo(x, canvas.height - 4 - (value / most) * (canvas.height - 24));
  });
  pen.stroke();
  pen.fillText(Math.round(most).toLocaleString(), 4, 12);
}

function rows(table, head, lines) {
  const make = (cells, name) => {
    const row = element("tr");
    cells.forEach((cell) => row.append(element(name, "", cell.toLocaleString())));
    return row;
  };
  table.replaceChildren(make(head, "th"), ...lines.map((line) => make(line, "td")));
}

async function overview() {
  const stats = await ask("/api/stats");
  if (!stats) return;
  const now = performance.now();
  const each = before ? ((stats.switches - before.stats.switches) / (now - before.now)) * 1000 : 0;
  before = { stats, now };
  for (const [list, value] of [[history_of.goroutines, stats.goroutines], [history_of.switches, each]]) {
    list.push(value);
    if (list.length > 121) list.shift();
  }
  const [running, blocked, idle, bound] = stats.threads;
  const numbers = {
    goroutines: stats.goroutines, "ever spawned": stats.spawned, "switches a second": Math.round(each),
    "looks at the poller": stats.polls, "woken by it": stats.poll_wakeups, steals: stats.steals, preemptions: stats.preemptions, rescues: stats.rescues, timers: stats.timers,
    "global queue": stats.global_queue, "threads running": running, blocked, idle, "bound, asleep": bound,
    "queueing µs, half and 99 %": stats.queueing_us.map((us) => us === null ? "-" : "< " + Math.round(us).toLocaleString()).join(", "),
    "turns µs, half and 99 %": stats.turns_us.map((us) => us === null ? "-" : "< " + Math.round(us).toLocaleString()).join(", "),
    "stacks out": stats.stacks[0], "stacks pooled": stats.stacks[1],
  };
  $("numbers").replaceChildren(...Object.entries(numbers).map(([name, value]) => {
    const box = element("div");
    box.append(element("b", "", value.toLocaleString()), element("span", "", name));
    return box;
  }));
  chart($("goroutine-chart"), history_of.goroutines);
  chart($("switch-chart"), history_of.switches);
  rows($("doing"), ["doing", "goroutines"], stats.doing.filter(([, count]) => count > 0).sort((a, b) => b[1] - a[1]));
  rows($("procs"), ["P", "busy", "queue", "switches", "steals", "timers"],
    stats.procs.map((p, i) => ["P" + i, p.busy ? "yes" : "", p.queue, p.switches, p.steals, p.timers]));
}

// ---- goroutines ----

let dump = null;

function groups() {
  if (!dump) return;
  const wanted = $("filter").value.toLowerCase();
  const matches = (group) => !wanted || JSON.stringify(group).toLowerCase().includes(wanted);
  const chosen = dump.groups.filter(matches);
  const shown = chosen.reduce((sum, group) => sum + group.count, 0);
  $("count").textContent = `${shown.toLocaleString()} of ${dump.total.toLocaleString()} goroutines in ${chosen.length} groups`;
  $("groups").replaceChildren(...chosen.slice(0, 500).map((group) => {
    const details = element("details");
    const minutes = Math.floor(group.waited / 60);
    // The innermost function of the program's own, if there is one.
    const own = group.frames.find(([name]) => !/^<?(gander_|core::|std::|alloc::|__)/.test(name));
    const top = (own || group.frames[0] || ["(no backtrace)"])[0];
    const summary = element("summary");
    summary.append(element("b", "", `${group.count.toLocaleString()} × [${group.state}${minutes ? ", " + minutes + " min" : ""}]`), " " + (group.count === 1 && group.who[0] && group.who[0][1] ? `"${group.who[0][1]}" ` : "") + top);
    details.append(summary);
    const who = group.who.map(([id, name]) => (name ? `${id} "${name}"` : id)).join(", ");
    details.append(element("div", "who", who + (group.count > group.who.length ? ", …" : "")));
    for (const [name, place] of group.frames) {
      details.append(element("div", "frame", name), element("div", "frame place", place));
    }
    const parent = group.parent ? `by goroutine ${group.parent} ` : "";
    details.append(element("div", "who", `created ${parent}at ${group.created_at}`));
    return details;
  }));
  for (const [state, at, count] of dump.counted) {
    $("groups").append(element("div", "who", `${count} more [${state}], created at ${at}`));
  }
}

function filter_by(text) {
  $("filter").value = text;
  groups();
}

async function look() {
  $("count").textContent = "looking …";
  dump = await ask("/api/goroutines");
  groups();
  chains();
}

// ---- who waits for whom ----

function chains() {
  const known = new Map(), named = (id, name, state) => `${id}${name ? ` "${name}"` : ""} [${state}]`;
  for (const group of dump ? dump.groups : []) {
    for (const [id, name, waitsFor, at] of group.who) known.set(id, { name, waitsFor, at, state: group.state });
  }
  // The circles are the server's: it has made sure that they are there, and are not two moments taken for one.
  const lines = [], round = new Set();
  for (const circle of dump ? dump.circles : []) {
    const path = [...circle, circle[0]].map(([id, name, state]) => named(id, name, state)).join(" → ");
    lines.push(element("div", "frame circle", path + ": a circle, none of them goes on unless one gives up"));
    circle.forEach(([id]) => round.add(id));
  }
  const title = (id) => {
    const one = known.get(id);
    return one ? named(id, one.name, one.state) : `${id} (ended, or not shown)`;
  };
  const waitedFor = new Set([...known.values()].map((one) => one.waitsFor));
  const waiters = [...known].filter(([id, one]) => (one.waitsFor || one.at) && !round.has(id)).map(([id]) => id);
  // From those that nobody waits for to the end. Then those that no such beginning leads to.
  const seen = new Set();
  for (const start of [...waiters.filter((id) => !waitedFor.has(id)), ...waiters]) {
    if (seen.has(start)) continue;
    const path = [];
    let id = start, last;
    while (id && !path.includes(id)) {
      path.push(id);
      seen.add(id);
      last = known.get(id);
      id = round.has(id) ? 0 : last?.waitsFor;
    }
    const end = round.has(path.at(-1)) ? " (in a circle)" : last && !last.waitsFor && last.at ? ` → at ${last.at}` : "";
    lines.push(element("div", "frame", path.map(title).join(" → ") + end));
  }
  const most = 500;
  if (lines.length > most) lines.splice(most, Infinity, element("p", "who", `and ${lines.length - most} more`));
  $("chains").replaceChildren(...(lines.length ? lines : [element("p", "who", "nobody")]));
}

// ---- timeline ----

let slices = [];

function hue(text) {
  let sum = 0;
  for (const c of text) sum = (sum * 31 + c.charCodeAt(0)) % 360;
  return `hsl(${sum} 60% 55%)`;
}

async function record() {
  $("recorded").textContent = "recording …";
  const trace = await ask("/debug/pprof/trace?millis=100");
  if (!trace) return;
  const events = trace.traceEvents;
  const tracks = events.filter((e) => e.ph === "M" && e.name === "thread_name").sort((a, b) => a.tid - b.tid);
  const runs = events.filter((e) => e.ph === "X");
  const end = Math.max(1, ...runs.map((e) => e.ts + e.dur));
  const canvas = $("tracks"), height = 26;
  canvas.height = Math.max(40, tracks.length * height + 4);
  const pen = canvas.getContext("2d");
  slices = runs.map((e) => ({
    x: (e.ts / end) * canvas.width, width: Math.max(0.5, (e.dur / end) * canvas.width),
    y: tracks.findIndex((track) => track.tid === e.tid) * height + 2, height: height - 4, event: e,
  }));
  for (const slice of slices) {
    pen.fillStyle = hue(slice.event.name);
    pen.fillRect(slice.x, slice.y, slice.width, slice.height);
  }
  pen.fillStyle = getComputedStyle(document.body).color;
  tracks.forEach((track, i) => pen.fillText(track.args.name, 4, i * height + 16));
  $("recorded").textContent = `${runs.length.toLocaleString()} turns on ${tracks.length} tracks in ${(end / 1000).toFixed(1)} ms`;
}

function point(event) {
  const canvas = $("tracks"), box = canvas.getBoundingClientRect();
  const x = ((event.clientX - box.left) / box.width) * canvas.width;
  const y = ((event.clientY - box.top) / box.height) * canvas.height;
  const hit = slices.find((s) => x >= s.x - 1 && x <= s.x + s.width + 1 && y >= s.y && y <= s.y + s.height);
  $("slice").textContent = hit ? `${hit.event.name}: ${hit.event.dur} µs, then ${hit.event.args.then}` : "";
}

// ---- all ----

let view = "overview";

document.querySelectorAll("nav button").forEach((button) => button.addEventListener("click", () => {
  view = button.dataset.view;
  document.querySelectorAll("nav button").forEach((other) => other.classList.toggle("chosen", other === button));
  document.querySelectorAll("main > section").forEach((section) => { section.hidden = section.id !== view; });
  if ((view === "goroutines" || view === "waits") && !dump) look();
  if (view === "waits") chains();
}));
$("filter").addEventListener("input", groups);
$("look").addEventListener("click", look);
$("record").addEventListener("click", record);
$("tracks").addEventListener("mousemove", point);
$("command").textContent = `go tool pprof ${location.origin}/debug/pprof/profile?seconds=10`;
overview();
setInterval(() => { if (view === "overview" && !document.hidden) overview(); }, 1000);
