//! CONSULT: a language model is asked where no playbook and nothing learned knows a way.
//!
//! What it answers is untrusted input, and so is every log line that it was shown: it can only name
//! actions out of a short list ([`Suggestion`]), each of which is checked like any other against
//! the cluster ([`diagnose::check`](crate::diagnose::check)) before it is a step, and then goes
//! through the same gate. What it is asked is built here ([`Prompt`]), freed of secrets by the rim,
//! which alone can see their values, and of whatever has the shape of one here ([`redact`]); it is
//! in the journal before it is sent.

mod answer;
mod calls;
mod known;
mod prompt;
mod redact;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

pub use answer::{Answer, MOST_STEPS, Suggested, Suggestion, schema, words};
pub(crate) use calls::Kind;
pub use calls::{Calls, May, Why};
pub use known::without_secrets;
pub(crate) use prompt::shortened;
pub use prompt::{about, prompt};
pub use redact::{HIDDEN, redact};

/// A call that has no answer by then has failed; the rim gives up before.
pub const PATIENCE: SignedDuration = SignedDuration::from_mins(2);

/// What a model is sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Prompt {
    /// What it is to do, and the rules.
    pub system: String,
    /// What is known of the failure: data, whatever it says.
    pub user: String,
    /// In which form the answer is wanted.
    #[serde(default, skip_serializing_if = "Wanted::is_steps")]
    pub wanted: Wanted,
}

/// The forms of answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Wanted {
    /// Steps, by the [`schema`].
    #[default]
    Steps,
    /// Words for a person who has asked.
    Words,
}

impl Wanted {
    #[expect(
        clippy::trivially_copy_pass_by_ref,
        reason = "serde passes a reference"
    )]
    fn is_steps(&self) -> bool {
        *self == Self::Steps
    }
}

impl Prompt {
    /// The same without what has the shape of a secret.
    #[must_use]
    pub fn redacted(self) -> Self {
        Self {
            user: redact(&self.user),
            ..self
        }
    }

    /// The same, asked again because the answer could not be used.
    #[must_use]
    pub(crate) fn again(&self, why: &str) -> Self {
        Self {
            wanted: self.wanted,
            system: self.system.clone(),
            user: format!(
                "{}\n\nYour answer to this was refused: {}. Answer again, with the JSON object only.",
                self.user,
                redact(why)
            ),
        }
    }

    /// What a call with it costs at most. A token is rarely less than three bytes of text.
    pub fn most(&self, limits: &Limits) -> Spend {
        let bytes = self.system.len() + self.user.len();
        let tokens = Tokens {
            input: u64::try_from(bytes / 3).unwrap_or(u64::MAX),
            output: MOST_OUTPUT,
        };
        limits.spend(tokens)
    }
}

/// So many tokens an answer may have; what is longer is cut off, and so refused.
pub const MOST_OUTPUT: u64 = 2_000;

/// What a call needed, as the endpoint counts it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Tokens {
    /// Of the prompt.
    pub input: u64,
    /// Of the answer.
    pub output: u64,
}

/// Tokens, and what they cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Spend {
    /// Tokens, of prompts and answers.
    pub tokens: u64,
    /// Millionths of the currency in which the policy gives prices.
    pub micros: u64,
}

impl Spend {
    /// Both together.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self {
            tokens: self.tokens.saturating_add(other.tokens),
            micros: self.micros.saturating_add(other.micros),
        }
    }
}

/// The policy's word on the model: what may be spent a day (UTC), and what tokens cost.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct Limits {
    /// Whether it is asked at all, where one is set up.
    pub enabled: bool,
    /// So many tokens a day, of prompts and answers.
    pub daily_tokens: u64,
    /// So much money a day, in the currency of the prices; no bound if absent.
    pub daily_cost: Option<f64>,
    /// What a million tokens of prompts cost.
    pub input_price: f64,
    /// What a million tokens of answers cost.
    pub output_price: f64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            enabled: true,
            daily_tokens: 200_000,
            daily_cost: None,
            input_price: 0.0,
            output_price: 0.0,
        }
    }
}

impl Limits {
    /// What tokens cost.
    pub fn spend(&self, tokens: Tokens) -> Spend {
        // a price for a million tokens is one for a token in millionths
        let micros = |tokens: u64, price: f64| {
            #[expect(clippy::cast_precision_loss, reason = "a price, not a count")]
            let cost = tokens as f64 * price.max(0.0);
            micros(cost)
        };
        Spend {
            tokens: tokens.input.saturating_add(tokens.output),
            micros: micros(tokens.input, self.input_price)
                .saturating_add(micros(tokens.output, self.output_price)),
        }
    }

    /// Why so much may not be spent today beside what was.
    fn exceeded_by(&self, spend: Spend) -> Option<String> {
        if spend.tokens > self.daily_tokens {
            return Some(format!(
                "today's {} tokens for the model are spent (model.dailyTokens)",
                self.daily_tokens
            ));
        }
        let most = self.daily_cost?;
        (spend.micros > micros(most * 1e6))
            .then(|| format!("today's {most} for the model are spent (model.dailyCost)"))
    }
}

/// A number of millionths, rounded up: what is spent is not told as less.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a cast from f64 saturates, and what is negative costs nothing"
)]
fn micros(value: f64) -> u64 {
    value.max(0.0).ceil() as u64
}

/// What the rim makes of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// The model's words.
    Text {
        /// As they came.
        text: String,
        /// What the endpoint says that they took.
        tokens: Option<Tokens>,
    },
    /// It could not be asked, or did not answer.
    Failed {
        /// Why, for people.
        why: String,
        /// Whether it may have been asked, and have its price, all the same.
        is_billed: bool,
    },
}

/// What came of a call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "result", rename_all = "kebab-case")]
pub enum Advised {
    /// Suggestions in the form that was asked for.
    Answered {
        /// The suggestions.
        answer: Answer,
    },
    /// Words, for a person who has asked.
    Told {
        /// The words.
        words: String,
    },
    /// Something else; it is not used.
    Refused {
        /// What is wrong with it.
        why: String,
    },
    /// Nothing.
    Failed {
        /// Why.
        why: String,
    },
}

/// Whether a time lies on a later day than another (UTC). A clock that is set back begins no day.
fn is_later_day(one: Timestamp, other: Timestamp) -> bool {
    let day = |at: Timestamp| at.as_second().div_euclid(24 * 60 * 60);
    day(one) > day(other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_spent_is_counted_in_millionths_and_rounded_up() {
        let limits = Limits {
            input_price: 0.15,
            output_price: 0.6,
            ..Limits::default()
        };
        let spend = limits.spend(Tokens {
            input: 1_001,
            output: 10,
        });
        assert_eq!((spend.tokens, spend.micros), (1_011, 151 + 6));
    }

    #[test]
    fn a_price_that_is_no_number_costs_nothing_and_ends_nothing() {
        for price in [f64::NAN, -1.0, f64::NEG_INFINITY] {
            let limits = Limits {
                input_price: price,
                daily_cost: Some(1.0),
                ..Limits::default()
            };
            let spend = limits.spend(Tokens {
                input: 5,
                output: 0,
            });
            assert_eq!(spend.micros, 0);
            assert_eq!(limits.exceeded_by(spend), None);
        }
    }

    #[test]
    fn a_bound_holds_for_tokens_and_for_money() {
        let limits = Limits {
            daily_tokens: 100,
            daily_cost: Some(0.5),
            ..Limits::default()
        };
        let spend = |tokens, micros| limits.exceeded_by(Spend { tokens, micros });
        assert_eq!(spend(100, 500_000), None);
        assert!(spend(101, 0).is_some_and(|why| why.contains("100 tokens")));
        assert!(spend(1, 500_001).is_some_and(|why| why.contains("0.5")));
    }
}
