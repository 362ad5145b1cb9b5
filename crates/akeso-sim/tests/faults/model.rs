//! A language model that says whatever the dice have it say: well-formed or not, useful or harmful,
//! at once or after long.

use akeso_core::consult::{Prompt, Reply, Tokens};
use akeso_sim::Model;
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::dice::Dice;

/// One whom nobody should trust.
#[derive(Debug)]
pub struct Stranger(pub Dice);

impl Model for Stranger {
    fn reply(&mut self, _: &Prompt) -> (SignedDuration, Reply) {
        let dice = &mut self.0;
        let takes = if dice.happens(20) { 200_000 } else { 5_000 };
        let takes = dice.millis(takes);
        if dice.happens(15) {
            let failed = Reply::Failed {
                why: "429".to_owned(),
                is_billed: dice.happens(50),
            };
            return (takes, failed);
        }
        let steps: Vec<_> = (0..dice.below(4)).map(|_| step(dice)).collect();
        let text = match dice.below(8) {
            0 => "I would restart it.".to_owned(),
            1 => json!({"cause": "x", "steps": steps, "command": "rm"}).to_string(),
            _ => json!({"cause": "x", "steps": steps}).to_string(),
        };
        let tokens = dice.happens(80).then(|| Tokens {
            input: dice.below(3_000),
            output: dice.below(500),
        });
        (takes, Reply::Text { text, tokens })
    }
}

fn step(dice: &mut Dice) -> Value {
    let (action, name, value) = match dice.below(5) {
        0 => ("restart_pod", None, None),
        1 => (
            "fix_image_name",
            None,
            Some(*dice.one_of(&["nginx:latest", "alpine:3.18", "evil/miner:1"])),
        ),
        2 => (
            "update_env",
            Some(*dice.one_of(&["MODE", "LD_PRELOAD", "API_TOKEN"])),
            Some("fast"),
        ),
        3 => ("delete_namespace", Some("kube-system"), None),
        _ => (
            "increase_memory",
            None,
            Some(*dice.one_of(&["32Mi", "300Mi", "1Gi", "64Gi"])),
        ),
    };
    json!({"action": action, "name": name, "value": value, "reasoning": "so"})
}
