//! pprof's file format: a protobuf message (`profile.proto`), compressed by gzip. Written by hand: it is a dozen fields,
//! and a generator would be a build script and a large dependency for them.

use std::collections::HashMap;
use std::io::{self, Write};

use flate2::Compression;
use flate2::write::GzEncoder;

use crate::symbol::Symbols;

/// A protobuf message under way.
#[derive(Default)]
struct Message(Vec<u8>);

impl Message {
    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }

    /// A number; zero is what is not written.
    fn number(&mut self, field: u64, value: u64) {
        if value != 0 {
            self.varint(field << 3);
            self.varint(value);
        }
    }

    fn bytes(&mut self, field: u64, bytes: &[u8]) {
        self.varint(field << 3 | 2);
        self.varint(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
    }

    fn message(&mut self, field: u64, message: &Message) {
        self.bytes(field, &message.0);
    }

    fn packed(&mut self, field: u64, values: impl IntoIterator<Item = u64>) {
        let mut packed = Message::default();
        values.into_iter().for_each(|value| packed.varint(value));
        self.message(field, &packed);
    }
}

/// Strings by number; number 0 is the empty one.
struct Strings {
    numbers: HashMap<String, u64>,
    all: Vec<String>,
}

impl Strings {
    fn number(&mut self, text: &str) -> u64 {
        if let Some(&number) = self.numbers.get(text) {
            return number;
        }
        let number = self.all.len() as u64;
        self.numbers.insert(text.to_string(), number);
        self.all.push(text.to_string());
        number
    }
}

/// A profile under way: stacks with what was measured of each.
pub(crate) struct Profile {
    whole: Message,
    strings: Strings,
    symbols: Symbols,
    /// Locations by address, functions by name and file.
    locations: HashMap<usize, u64>,
    functions: HashMap<(u64, u64), u64>,
}

impl Profile {
    /// `measured`: of each value of a sample what it is and its unit. `period`: how much of what lies between two samples.
    pub(crate) fn new(measured: &[(&str, &str)], period: ((&str, &str), u64)) -> Profile {
        let strings = Strings { numbers: HashMap::from([(String::new(), 0)]), all: vec![String::new()] };
        let mut profile = Profile {
            whole: Message::default(),
            strings,
            symbols: Symbols::default(),
            locations: HashMap::new(),
            functions: HashMap::new(),
        };
        for &kind in measured {
            let kind = profile.value_type(kind);
            profile.whole.message(1, &kind);
        }
        let kind = profile.value_type(period.0);
        profile.whole.message(11, &kind);
        profile.whole.number(12, period.1);
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        profile.whole.number(9, now.map_or(0, |since| since.as_nanos() as u64));
        profile
    }

    fn value_type(&mut self, (kind, unit): (&str, &str)) -> Message {
        let mut message = Message::default();
        message.number(1, self.strings.number(kind));
        message.number(2, self.strings.number(unit));
        message
    }

    /// How long it was measured.
    pub(crate) fn duration(&mut self, nanos: u64) {
        self.whole.number(10, nanos);
    }

    /// Adds a stack, given by addresses inside of its calls, the innermost first.
    pub(crate) fn sample(&mut self, stack: &[usize], values: &[u64], labels: &[(&str, String)]) {
        let mut sample = Message::default();
        let locations: Vec<u64> = stack.iter().map(|&address| self.location(address)).collect();
        sample.packed(1, locations);
        sample.packed(2, values.iter().copied());
        for (key, value) in labels {
            let mut label = Message::default();
            label.number(1, self.strings.number(key));
            label.number(2, self.strings.number(value));
            sample.message(3, &label);
        }
        self.whole.message(2, &sample);
    }

    fn location(&mut self, address: usize) -> u64 {
        if let Some(&id) = self.locations.get(&address) {
            return id;
        }
        let id = self.locations.len() as u64 + 1;
        self.locations.insert(address, id);
        let mut location = Message::default();
        location.number(1, id);
        location.number(3, address as u64);
        for frame in self.symbols.resolve(address).iter() {
            let (file, line) = frame.place.as_ref().map_or(("", 0), |(file, line)| (file.as_str(), *line));
            let function = self.function(&frame.function, file);
            let mut message = Message::default();
            message.number(1, function);
            message.number(2, u64::from(line));
            location.message(4, &message);
        }
        self.whole.message(4, &location);
        id
    }

    fn function(&mut self, name: &str, file: &str) -> u64 {
        let (name, file) = (self.strings.number(name), self.strings.number(file));
        let next = self.functions.len() as u64 + 1;
        if let Some(&id) = self.functions.get(&(name, file)) {
            return id;
        }
        self.functions.insert((name, file), next);
        let mut function = Message::default();
        function.number(1, next);
        function.number(2, name);
        function.number(3, name);
        function.number(4, file);
        self.whole.message(5, &function);
        next
    }

    /// Writes the file.
    pub(crate) fn write(mut self, out: impl Write) -> io::Result<()> {
        // One mapping stands for the program and all its libraries: the names are in the file already.
        let mut mapping = Message::default();
        mapping.number(1, 1);
        mapping.number(3, u64::MAX);
        // The four flags say so: functions, file names, lines, inlined frames.
        (7..=10).for_each(|field| mapping.number(field, 1));
        self.whole.message(3, &mapping);
        for text in &self.strings.all {
            self.whole.bytes(6, text.as_bytes());
        }
        let mut gzip = GzEncoder::new(out, Compression::fast());
        gzip.write_all(&self.whole.0)?;
        gzip.finish()?.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::Message;

    #[test]
    fn numbers_are_protobufs() {
        let mut message = Message::default();
        message.number(1, 150);
        message.number(2, 0);
        message.bytes(2, b"testing");
        message.packed(4, [3, 270, 86942]);
        let expected = [
            &[0x08, 0x96, 0x01][..],
            &[0x12, 0x07, 0x74, 0x65, 0x73, 0x74, 0x69, 0x6e, 0x67],
            &[0x22, 0x06, 0x03, 0x8e, 0x02, 0x9e, 0xa7, 0x05],
        ];
        assert_eq!(message.0, expected.concat());
    }
}
