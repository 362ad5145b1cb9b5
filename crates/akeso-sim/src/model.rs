//! The language model that a simulation asks: a script.

use std::fmt;

use akeso_core::consult::{Prompt, Reply};
use jiff::SignedDuration;

/// What a model answers, and how long it takes for it.
pub trait Model: fmt::Debug {
    /// The answer to a prompt.
    fn reply(&mut self, prompt: &Prompt) -> (SignedDuration, Reply);
}

/// None is set up: whoever asks all the same is told so.
#[derive(Debug)]
pub struct NoModel;

impl Model for NoModel {
    fn reply(&mut self, _: &Prompt) -> (SignedDuration, Reply) {
        let failed = Reply::Failed {
            why: "there is no model".to_owned(),
            is_billed: false,
        };
        (SignedDuration::ZERO, failed)
    }
}
