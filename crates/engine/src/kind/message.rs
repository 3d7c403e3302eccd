//! What callbacks tell of messages: messages of devices, and receipts of messages to them. What a message says is nowhere here.

/// What a callback tells of one message. It may be told again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Id of the organisation, where it is named.
    pub organisation: Option<String>,
    /// Id of the device, where it is named.
    pub endpoint: Option<i64>,
    /// Id of the message.
    pub id: i64,
    /// What became of it.
    pub news: MessageNews,
    /// Number that it is for.
    pub dest_address: Option<String>,
}

/// What became of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessageNews {
    /// A device sent it.
    Received,
    /// It is on its way to a device.
    OnItsWay,
    /// A device has it.
    Delivered,
    /// The device will not get it.
    Failed,
}

/// Whether a message is for this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// Its organisation is served here, and who listens was told.
    Here,
    /// Another process may serve its organisation, or this one soon: it is to be told again.
    Elsewhere,
    /// Nobody here knows its organisation.
    Nowhere,
}
