//! The language model: an endpoint that speaks OpenAI's chat completions
//! (<https://platform.openai.com/docs/api-reference/chat>), as Azure, Ollama, vLLM and many others do.
//!
//! What is asked, how often, and what is made of the answer is the engine's; here is only the call,
//! with its deadline and a few retries.

#[cfg(test)]
mod tests;

use std::{
    fmt, fs,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use akeso_core::consult::{HIDDEN, MOST_OUTPUT, Prompt, Reply, Tokens, Wanted, redact, schema};
use anyhow::{Context, bail};
use backon::{ExponentialBuilder, Retryable};
use reqwest::{Client, StatusCode, Url, header, redirect};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::cli::ModelArguments;

/// The variable with the key. It is no flag: those are seen by everybody on the machine.
const KEY: &str = "AKESO_MODEL_KEY";
/// One try takes no longer.
const TRY: Duration = Duration::from_secs(45);
/// All of them together, and less than the engine waits.
const ALL: Duration = Duration::from_secs(110);
/// So often it is tried again.
const RETRIES: usize = 2;
/// A pause that the endpoint asks for is not waited for longer.
const LONGEST_PAUSE: Duration = Duration::from_secs(20);
/// What is longer is no answer.
const MOST_BYTES: usize = 256 * 1024;
/// So much of an endpoint's complaint is told.
const COMPLAINT: usize = 200;

/// A model at an endpoint.
#[derive(Clone)]
pub struct Endpoint(Arc<Inner>);

struct Inner {
    client: Client,
    url: Url,
    model: String,
    key: String,
    /// What the endpoint has been found to understand.
    dialect: Mutex<Dialect>,
}

/// What differs from one endpoint to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Dialect {
    /// Whether it knows `response_format` with a schema.
    knows_schema: bool,
    /// How it calls the bound of an answer's tokens: newer models refuse the older name.
    bound: &'static str,
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // the rest of the URL may hold a key
        let host = self.0.url.host_str().unwrap_or_default();
        write!(f, "{} at {host}", self.0.model)
    }
}

/// Why there is no answer.
#[derive(Debug)]
struct Failure {
    why: String,
    /// Whether it may pass by itself.
    passes: bool,
    /// The pause that was asked for.
    pause: Option<Duration>,
    is_billed: bool,
    /// What the endpoint does not understand, if it says so.
    misses: Option<Dialect>,
}

#[derive(Deserialize)]
struct Completion {
    choices: Vec<Choice>,
    usage: Option<Usage>,
}

#[derive(Deserialize)]
struct Choice {
    message: Message,
}

#[derive(Deserialize)]
struct Message {
    content: Option<String>,
}

#[derive(Deserialize)]
struct Usage {
    prompt_tokens: u64,
    completion_tokens: u64,
}

impl Endpoint {
    /// The endpoint that the command line names; none, where there is no key.
    pub fn from(arguments: &ModelArguments) -> anyhow::Result<Option<Self>> {
        let key = match &arguments.key_file {
            Some(path) => {
                let key = fs::read_to_string(path)
                    .with_context(|| format!("the key file {} cannot be read", path.display()))?;
                Some(key.trim().to_owned())
            }
            None => std::env::var(KEY).ok(),
        };
        let key = key.filter(|key| !key.is_empty());
        match (&arguments.name, key) {
            (None, None) => Ok(None),
            (Some(name), Some(key)) => Self::new(&arguments.url, name, key).map(Some),
            (Some(name), None) => bail!(
                "there is no key for the model {name}: put it into {KEY} or a --model-key-file; any text will do for an endpoint that wants none"
            ),
            (None, Some(_)) => {
                bail!("there is a key, and no model: name one with --model or AKESO_MODEL")
            }
        }
    }

    /// A model at the endpoint with this base URL.
    fn new(base: &str, model: &str, key: String) -> anyhow::Result<Self> {
        let url = Url::parse(base)
            .ok()
            .filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
        let Some(mut url) = url else {
            bail!("{base} is no URL of an endpoint, such as https://api.openai.com/v1");
        };
        let path = format!("{}/chat/completions", url.path().trim_end_matches('/'));
        url.set_path(&path); // a query, such as Azure's api-version, stays
        if header::HeaderValue::from_str(&key).is_err() {
            bail!("the key for the model has characters that no key has");
        }
        let client = Client::builder()
            .timeout(TRY)
            .redirect(redirect::Policy::none()) // nobody else is to have the prompt
            .user_agent(concat!("akeso/", env!("CARGO_PKG_VERSION")))
            .build()
            .context("the client for the model cannot be made")?;
        Ok(Self(Arc::new(Inner {
            client,
            url,
            model: model.to_owned(),
            key,
            dialect: Mutex::new(Dialect {
                knows_schema: true,
                bound: "max_completion_tokens",
            }),
        })))
    }

    /// The model's name.
    pub fn model(&self) -> &str {
        &self.0.model
    }

    /// Asks for steps.
    pub async fn ask(&self, prompt: &Prompt) -> Reply {
        let tries = || async {
            loop {
                let dialect = self.dialect();
                match self.try_once(prompt, dialect).await {
                    // it is asked again in words that it understands
                    Err(Failure {
                        misses: Some(other),
                        ..
                    }) if other != dialect => self.speak(other),
                    result => return result,
                }
            }
        };
        let pauses = ExponentialBuilder::default()
            .with_min_delay(Duration::from_secs(1))
            .with_max_times(RETRIES)
            .with_jitter();
        let answer = tries
            .retry(pauses)
            .sleep(tokio::time::sleep)
            .when(|failure: &Failure| failure.passes)
            .adjust(|failure, pause| Some(failure.pause.unwrap_or(pause?).max(pause?)));
        match tokio::time::timeout(ALL, answer).await {
            Ok(Ok(reply)) => reply,
            Ok(Err(Failure { why, is_billed, .. })) => Reply::Failed { why, is_billed },
            Err(_) => Reply::Failed {
                why: format!("no answer within {} s", ALL.as_secs()),
                is_billed: true,
            },
        }
    }

    fn dialect(&self) -> Dialect {
        *self
            .0
            .dialect
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn speak(&self, dialect: Dialect) {
        *self
            .0
            .dialect
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = dialect;
    }

    async fn try_once(&self, prompt: &Prompt, dialect: Dialect) -> Result<Reply, Failure> {
        let Inner {
            client, url, key, ..
        } = &*self.0;
        let request = client.post(url.clone()).json(&self.body(prompt, dialect));
        let request = if is_azure(url) {
            request.header("api-key", key)
        } else {
            request.bearer_auth(key)
        };
        let response = request.send().await.map_err(|error| Failure::of(&error))?;
        let status = response.status();
        let pause = response.headers().get(header::RETRY_AFTER);
        let pause = pause.and_then(|pause| pause.to_str().ok()?.parse().ok());
        let pause = pause.map(|seconds| Duration::from_secs(seconds).min(LONGEST_PAUSE));
        let text = read(response).await?;
        if !status.is_success() {
            // some repeat the key that they refuse
            let text = text.replace(key.as_str(), HIDDEN);
            return Err(Failure::answered(status, &text, pause, dialect));
        }
        let completion: Completion = serde_json::from_str(&text).map_err(|_| Failure {
            why: "the endpoint's answer is no chat completion".to_owned(),
            passes: false,
            pause: None,
            is_billed: true,
            misses: None,
        })?;
        let tokens = completion.usage.map(|usage| Tokens {
            input: usage.prompt_tokens,
            output: usage.completion_tokens,
        });
        let content = completion
            .choices
            .into_iter()
            .find_map(|choice| choice.message.content);
        Ok(Reply::Text {
            text: content.unwrap_or_default(),
            tokens,
        })
    }

    fn body(&self, prompt: &Prompt, dialect: Dialect) -> Value {
        let mut body = json!({
            "model": self.0.model,
            "messages": [
                {"role": "system", "content": prompt.system},
                {"role": "user", "content": prompt.user},
            ],
        });
        body[dialect.bound] = json!(MOST_OUTPUT);
        if dialect.knows_schema && prompt.wanted == Wanted::Steps {
            body["response_format"] = json!({
                "type": "json_schema",
                "json_schema": {"name": "advice", "strict": true, "schema": schema()},
            });
        }
        body
    }
}

/// Azure takes its keys in a header of its own
/// (<https://learn.microsoft.com/azure/ai-foundry/openai/reference>).
fn is_azure(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    [".openai.azure.com", ".cognitiveservices.azure.com"]
        .iter()
        .any(|domain| host.ends_with(domain))
}

/// The words of a response, if they are not too many.
async fn read(mut response: reqwest::Response) -> Result<String, Failure> {
    let mut bytes = Vec::new();
    while let Some(chunk) = response
        .chunk()
        .await
        .map_err(|error| Failure::of(&error))?
    {
        bytes.extend_from_slice(&chunk);
        if bytes.len() > MOST_BYTES {
            return Err(Failure {
                why: format!("the endpoint's answer is longer than {MOST_BYTES} bytes"),
                passes: false,
                pause: None,
                is_billed: true,
                misses: None,
            });
        }
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

impl Failure {
    /// The request did not come to an answer.
    fn of(error: &reqwest::Error) -> Self {
        let what = if error.is_timeout() {
            format!("no answer within {} s", TRY.as_secs())
        } else if error.is_connect() {
            "the endpoint cannot be reached".to_owned()
        } else {
            "the connection to the endpoint broke off".to_owned()
        };
        Self {
            why: what,
            passes: !error.is_timeout(),
            pause: None,
            is_billed: !error.is_connect(),
            misses: None,
        }
    }

    /// The endpoint has answered that it does not.
    fn answered(status: StatusCode, text: &str, pause: Option<Duration>, dialect: Dialect) -> Self {
        let said = redact(&text.replace(char::is_control, " "));
        let said: String = said.chars().take(COMPLAINT).collect();
        let misses = (status == StatusCode::BAD_REQUEST).then(|| {
            if text.contains("max_completion_tokens") && dialect.bound != "max_tokens" {
                Dialect {
                    bound: "max_tokens",
                    ..dialect
                }
            } else if text.contains("response_format") || text.contains("json_schema") {
                Dialect {
                    knows_schema: false,
                    ..dialect
                }
            } else {
                dialect
            }
        });
        Self {
            why: format!("the endpoint answers {status}: {}", said.trim()),
            passes: status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error(),
            pause,
            is_billed: false,
            misses,
        }
    }
}
