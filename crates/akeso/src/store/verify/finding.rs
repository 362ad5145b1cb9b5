//! What a verification finds.

use crate::store::StoreError;

/// What was found.
#[derive(Debug)]
pub enum Finding {
    /// Nothing is wrong.
    Whole(Whole),
    /// Something is; this is the first.
    Broken {
        /// The first entry that is affected.
        seq: u64,
        /// What is wrong with it.
        flaw: Flaw,
    },
}

/// A journal of which nothing was changed, removed, inserted or moved.
#[derive(Debug, Default)]
pub struct Whole {
    /// How many entries are there.
    pub entries: u64,
    /// How many segments were taken out by retention.
    pub segments: u64,
    /// The last entry that was taken out; 0 if none was.
    pub sealed_through: u64,
    /// How many entries, the oldest, are from before there were signatures.
    pub unsigned: u64,
    /// When the first entry that is there was written.
    pub from: Option<String>,
    /// When the last one was.
    pub to: Option<String>,
    /// Whether a head says that the end is the end.
    pub has_head: bool,
}

/// What is wrong with an entry.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Flaw {
    /// It is not what was written.
    #[error("was edited: {0}")]
    Edited(String),
    /// It is gone, with so many that followed it.
    #[error("was removed{}", and_others(*.0))]
    Removed(u64),
    /// It stands somewhere else.
    #[error("was moved: it stands in row {0}")]
    Moved(i64),
    /// Something stands there that was not written there.
    #[error("was inserted: {0}")]
    Inserted(String),
    /// Nobody who has the key wrote it.
    #[error("has a wrong signature: it was not written with the key {0}")]
    WrongSignature(String),
    /// It should be signed, and is not.
    #[error("has no signature, and every entry since the first signed one must have one")]
    NotSigned,
    /// It is gone, with so many that followed it, and nothing is left behind them.
    #[error("was removed from the end{}", and_others(*.0))]
    CutOff(u64),
    /// The seal of what retention took out is not what was written.
    #[error("is sealed, and the seal is not what was written: {0}")]
    BadSeal(String),
    /// The head says otherwise.
    #[error("is not what the head says: {0}")]
    OtherHead(String),
}

fn and_others(count: u64) -> String {
    match count {
        0 => String::new(),
        count => format!(", with {count} that followed it"),
    }
}

impl Flaw {
    /// Its name for programs.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Edited(_) => "edited",
            Self::Removed(_) => "removed",
            Self::Moved(_) => "moved",
            Self::Inserted(_) => "inserted",
            Self::WrongSignature(_) => "wrong-signature",
            Self::NotSigned => "not-signed",
            Self::CutOff(_) => "cut-off",
            Self::BadSeal(_) => "bad-seal",
            Self::OtherHead(_) => "other-head",
        }
    }
}

/// Why a journal cannot be verified.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// The store cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The head cannot be read.
    #[error("{0}")]
    Head(String),
    /// There are signatures, and no key to verify them.
    #[error(
        "the journal is signed, and there is no public key to verify it with; name it with --public-key: it is the .pub.pem beside the signing key"
    )]
    NoKey,
}
