//! The channels that tasks on tokio may use.

use versus_rows::tasks::{Rx, Tx};

/// A kind of channel.
pub(crate) trait Channel: Send + 'static {
    type Tx: Tx;
    type Rx: Rx;
    fn channel(room: usize) -> (Self::Tx, Self::Rx);
}

/// tokio's own. It has no rendezvous: the least room is 1.
pub(crate) struct Mpsc;

impl Channel for Mpsc {
    type Tx = MpscTx;
    type Rx = MpscRx;

    fn channel(room: usize) -> (MpscTx, MpscRx) {
        let (tx, rx) = tokio::sync::mpsc::channel(room.max(1));
        (MpscTx(tx), MpscRx(rx))
    }
}

#[derive(Clone)]
pub(crate) struct MpscTx(tokio::sync::mpsc::Sender<u64>);

impl Tx for MpscTx {
    async fn send(&self, value: u64) -> bool {
        self.0.send(value).await.is_ok()
    }
}

pub(crate) struct MpscRx(tokio::sync::mpsc::Receiver<u64>);

impl Rx for MpscRx {
    fn recv(&mut self) -> impl Future<Output = Option<u64>> + Send {
        self.0.recv()
    }

    fn try_recv(&mut self) -> Option<u64> {
        self.0.try_recv().ok()
    }
}

pub(crate) struct Kanal;

impl Channel for Kanal {
    type Tx = KanalTx;
    type Rx = KanalRx;

    fn channel(room: usize) -> (KanalTx, KanalRx) {
        let (tx, rx) = kanal::bounded_async(room);
        (KanalTx(tx), KanalRx(rx))
    }
}

#[derive(Clone)]
pub(crate) struct KanalTx(kanal::AsyncSender<u64>);

impl Tx for KanalTx {
    async fn send(&self, value: u64) -> bool {
        self.0.send(value).await.is_ok()
    }
}

pub(crate) struct KanalRx(kanal::AsyncReceiver<u64>);

impl Rx for KanalRx {
    async fn recv(&mut self) -> Option<u64> {
        self.0.recv().await.ok()
    }

    fn try_recv(&mut self) -> Option<u64> {
        self.0.try_recv().ok().flatten()
    }

    fn another(&self) -> KanalRx {
        KanalRx(self.0.clone())
    }
}

pub(crate) struct Flume;

impl Channel for Flume {
    type Tx = FlumeTx;
    type Rx = FlumeRx;

    fn channel(room: usize) -> (FlumeTx, FlumeRx) {
        let (tx, rx) = flume::bounded(room);
        (FlumeTx(tx), FlumeRx(rx))
    }
}

#[derive(Clone)]
pub(crate) struct FlumeTx(flume::Sender<u64>);

impl Tx for FlumeTx {
    async fn send(&self, value: u64) -> bool {
        self.0.send_async(value).await.is_ok()
    }
}

pub(crate) struct FlumeRx(flume::Receiver<u64>);

impl Rx for FlumeRx {
    async fn recv(&mut self) -> Option<u64> {
        self.0.recv_async().await.ok()
    }

    fn try_recv(&mut self) -> Option<u64> {
        self.0.try_recv().ok()
    }

    fn another(&self) -> FlumeRx {
        FlumeRx(self.0.clone())
    }
}
