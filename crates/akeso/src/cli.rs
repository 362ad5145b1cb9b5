//! The command line, as it is typed.

mod values;

use std::path::PathBuf;

use akeso_core::{act::ActionKind, policy::Glob, quantity::Bytes};
use akeso_kube::{
    Mirrors,
    permissions::{NamespaceName, ServiceAccountName},
};
use clap::{Args, Parser, Subcommand, ValueEnum};
use jiff::Timestamp;
pub use values::{Level, Retention, Setting, setting};
use values::{action, interval, retention, since};

/// A self-healing agent for Kubernetes: finds broken workloads, works out why, applies a proven
/// fix, verifies it, and takes it back if it did not help.
#[derive(Debug, Parser)]
#[command(
    name = "akeso",
    version,
    propagate_version = true,
    arg_required_else_help = true
)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// Flags that every command takes.
    #[command(flatten)]
    pub global: Global,
}

/// Flags that every command takes, named as kubectl names them.
#[derive(Debug, Clone, Args)]
pub struct Global {
    /// Path to the kubeconfig file.
    #[arg(long, global = true, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
    /// The kubeconfig context to use.
    #[arg(long, global = true, value_name = "NAME")]
    pub context: Option<String>,
    /// The store: a SQLite file that holds the journal [default: one for each context in the
    /// user's state directory].
    #[arg(long, global = true, value_name = "FILE")]
    pub store: Option<PathBuf>,
    /// The private key that signs the journal; it is made where there is none [default: one for all
    /// stores in the user's configuration directory].
    #[arg(long, global = true, value_name = "FILE", env = "AKESO_SIGNING_KEY")]
    pub signing_key: Option<PathBuf>,
    /// Output format.
    #[arg(short, long, global = true, value_enum, default_value_t = Format::Text)]
    pub output: Format,
    /// What is logged to stderr, in the form of `RUST_LOG`: `info`, `akeso_kube=debug`.
    #[arg(
        long,
        global = true,
        value_name = "FILTER",
        // kube's client says in its own words what our errors say in a sentence
        default_value = "warn,kube_client::client::builder=off",
        env = "AKESO_LOG"
    )]
    pub log: String,
}

/// Output formats.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    Text,
    /// One object a line; the schema is in docs/output.md.
    Json,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Breaks the article's four workloads in a simulated cluster and heals them before your eyes.
    Demo(Demo),
    /// Watches a cluster and heals what can be proven.
    Monitor(Monitor),
    /// Looks at everything once, changes nothing, and says what is broken and why.
    ///
    /// Exit code: 0 nothing is broken, 1 something is, 2 error.
    Scan(Target),
    /// Diagnoses one workload together with you: the cause, the evidence, the plan; you approve it,
    /// reject it, change a value or ask why, and see whether it helps.
    ///
    /// Nothing is changed without your word, and nothing but this workload. Every question has a
    /// flag that answers it; where there is no terminal to ask on, the first question without its
    /// flag is an error. What was said is kept in a file beside the store.
    ///
    /// Exit code: 0 the workload is well, 1 it is not, 2 error.
    Diagnose(Diagnose),
    /// Shows incidents from the store.
    #[command(subcommand)]
    Incidents(Incidents),
    /// Lets a step that asks be executed, exactly as it was shown.
    Approve(Decided),
    /// Says no to a step that asks.
    Reject(Decided),
    /// Takes a change back, also later; refused where somebody else has changed the same fields.
    Rollback(Decided),
    /// Shows and changes what was learned.
    #[command(subcommand)]
    Memory(Memory),
    /// Evaluates what came of the incidents: how they were handled, what was harmful, what repeats.
    Report(Report),
    /// Proves that the journal is what was written, and exports what was done by whom and why.
    #[command(subcommand)]
    Audit(Audit),
    /// Prints the roles that Akeso needs, for `kubectl apply -f -`; no cluster is asked.
    Rbac(Rbac),
    /// Checks a policy file, and explains what was decided under it.
    #[command(subcommand)]
    Policy(Policy),
    /// Prints a completion script for a shell.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// Prints the manual page.
    Man,
}

/// Where to look, and what may be asked.
#[derive(Debug, Clone, Args)]
pub struct Target {
    /// The namespace to watch [default: the context's].
    #[arg(short, long, value_name = "NAME")]
    pub namespace: Option<String>,
    /// Watch all namespaces.
    #[arg(short = 'A', long, conflicts_with = "namespace")]
    pub all_namespaces: bool,
    /// How much Akeso does by itself, in every namespace at most; a scan, which does nothing, says
    /// what it would do [default: the policy's, or standard].
    #[arg(long, value_enum, env = "AKESO_AUTONOMY")]
    pub autonomy: Option<Level>,
    /// The policy (docs/policy.md); `akeso policy check` checks it. Flags win over it.
    #[arg(long, value_name = "FILE", env = "AKESO_POLICY")]
    pub policy: Option<PathBuf>,
    /// Ask a mirror instead of a registry, for instance docker.io=http://127.0.0.1:5000; may be
    /// given several times.
    #[arg(
        long,
        value_name = "HOST=URL",
        env = "AKESO_REGISTRY_MIRROR",
        value_delimiter = ','
    )]
    pub registry_mirror: Vec<Mirrors>,
}

/// `akeso monitor`
#[derive(Debug, Args)]
pub struct Monitor {
    /// Where to look.
    #[command(flatten)]
    pub target: Target,
    /// Plan and show, change nothing: the same as --autonomy observe.
    #[arg(long)]
    pub no_auto: bool,
    /// Never raise a memory limit beyond this [default: the policy's, or 4Gi].
    #[arg(long, value_name = "QUANTITY", value_parser = Bytes::parse)]
    pub memory_ceiling: Option<Bytes>,
    /// A namespace in which nothing is changed, beside kube-system, kube-public, kube-node-lease
    /// and Akeso's own; may be given several times.
    #[arg(long, value_name = "NAME", value_delimiter = ',', value_parser = |text: &str| Glob::try_from(text.to_owned()))]
    pub protect: Vec<Glob>,
    /// How often everything is looked at again, beside the watch: `30s`, `5m`, or a number of
    /// seconds.
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = interval)]
    pub interval: std::time::Duration,
    /// How long the journal is kept: `90d`, `1y`, at least 2d, or `off` to keep everything. What is
    /// older is taken out and sealed: the chain still proves that nothing else is missing.
    #[arg(long, value_name = "DURATION", default_value = "90d", value_parser = retention)]
    pub retention: Retention,
    /// The language model to ask where nothing else knows a way.
    #[command(flatten)]
    pub model: ModelArguments,
    /// Forget what was learned before starting.
    #[arg(long)]
    pub fresh: bool,
    /// End when nothing is left to do.
    #[arg(long)]
    pub once: bool,
}

/// Which language model is asked, and where (docs/model.md). None, unless there is a key.
#[derive(Debug, Clone, Default, Args)]
pub struct ModelArguments {
    /// The language model to ask where no playbook and nothing learned knows a way.
    #[arg(long = "model", value_name = "NAME", env = "AKESO_MODEL")]
    pub name: Option<String>,
    /// An endpoint that speaks OpenAI's chat completions: OpenAI, Azure, Ollama, vLLM and others.
    #[arg(
        long = "model-url",
        value_name = "URL",
        env = "AKESO_MODEL_URL",
        default_value = "https://api.openai.com/v1"
    )]
    pub url: String,
    /// A file with the key for it; the variable `AKESO_MODEL_KEY` holds it instead. An endpoint that
    /// wants none, such as Ollama, takes any.
    #[arg(
        long = "model-key-file",
        value_name = "FILE",
        env = "AKESO_MODEL_KEY_FILE"
    )]
    pub key_file: Option<PathBuf>,
}

/// `akeso diagnose`
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub struct Diagnose {
    /// A pod, or a workload: `web`, `deployment/web` [default: choose among what is broken].
    #[arg(value_name = "POD")]
    pub pod: Option<String>,
    /// The namespace [default: choose one].
    #[arg(short, long, value_name = "NAME")]
    pub namespace: Option<String>,
    /// Do what is proposed; if that does not help, do the next step as well.
    #[arg(short = 'y', long, visible_alias = "yes")]
    pub approve: bool,
    /// Say no to what is proposed.
    #[arg(long, conflicts_with = "approve")]
    pub reject: bool,
    /// Put another value in place of one that is proposed: `memory=512Mi`, `image=nginx:1.27`, a
    /// variable's `NAME=VALUE`, `NAME=configmap/NAME/KEY` or `NAME=secret/NAME/KEY`; may be given
    /// several times. It stays within the same bounds, and is asked about as any other.
    #[arg(long, value_name = "FIELD=VALUE", value_parser = setting)]
    pub set: Vec<Setting>,
    /// Show why this is proposed: what every rule of the gate said, what the step rests on, what its
    /// failure does.
    #[arg(long)]
    pub why: bool,
    /// Ask the language model this about it, before anything is decided; may be given several times.
    #[arg(long, value_name = "QUESTION")]
    pub ask: Vec<String>,
    /// The language model.
    #[command(flatten)]
    pub model: ModelArguments,
    /// Keep the change when it has healed.
    #[arg(long)]
    pub keep: bool,
    /// Take the change back when it has healed: a rehearsal.
    #[arg(long, conflicts_with = "keep")]
    pub rollback: bool,
    /// Where to keep what was said [default: a file in STORE.sessions/].
    #[arg(long, value_name = "FILE")]
    pub session_log: Option<PathBuf>,
    /// Do not keep what was said.
    #[arg(long, conflicts_with = "session_log")]
    pub no_session_log: bool,
    /// The policy (docs/policy.md): what it refuses cannot be approved here either.
    #[arg(long, value_name = "FILE", env = "AKESO_POLICY")]
    pub policy: Option<PathBuf>,
    /// Ask a mirror instead of a registry, for instance docker.io=http://127.0.0.1:5000; may be
    /// given several times.
    #[arg(
        long,
        value_name = "HOST=URL",
        env = "AKESO_REGISTRY_MIRROR",
        value_delimiter = ','
    )]
    pub registry_mirror: Vec<Mirrors>,
}

/// `akeso rbac`
#[derive(Debug, Args)]
#[command(group(clap::ArgGroup::new("where").required(true).args(["namespace", "all_namespaces"])))]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub struct Rbac {
    /// A namespace in which Akeso works; may be given several times.
    #[arg(short, long, value_name = "NAME", value_delimiter = ',')]
    pub namespace: Vec<NamespaceName>,
    /// Akeso works in all namespaces.
    #[arg(short = 'A', long)]
    pub all_namespaces: bool,
    /// Whom the permissions are for.
    #[arg(
        long,
        value_name = "NAMESPACE:NAME",
        default_value = "akeso-system:akeso"
    )]
    pub service_account: ServiceAccountName,
    /// The level that Akeso will run at: `observe` only reads, all others need the same.
    #[arg(long, value_enum, default_value_t = Level::Standard, env = "AKESO_AUTONOMY")]
    pub autonomy: Level,
    /// An action to allow; may be given several times [default: all but `grant_access`, for which
    /// there is --grants].
    #[arg(long, value_name = "ACTION", value_delimiter = ',', value_parser = action)]
    pub action: Vec<ActionKind>,
    /// Print the service account as well.
    #[arg(long)]
    pub with_account: bool,
    /// Leave Secrets out; what is lost without them stands above the roles.
    #[arg(long)]
    pub without_secrets: bool,
    /// Leave out that pods may be made: no change is tried on a pod of its own first.
    #[arg(long)]
    pub without_trials: bool,
    /// Allow `grant_access` as well, for a policy that names it: make roles and bindings, with
    /// escalate and bind on roles. Whoever has the service account can then give anybody every right
    /// in these namespaces.
    #[arg(long)]
    pub grants: bool,
}

/// `akeso demo`
#[derive(Debug, Args)]
pub struct Demo {
    /// Let virtual time run at the speed of real time.
    #[arg(long, conflicts_with = "on_cluster")]
    pub realtime: bool,
    /// Deploy the four workloads into the new namespace agentic-demo of the current context, and
    /// heal them there.
    #[arg(long)]
    pub on_cluster: bool,
    /// With --on-cluster: do not ask before deploying, and clean up at the end.
    #[arg(long, requires = "on_cluster")]
    pub yes: bool,
    /// Ask a mirror instead of a registry, with --on-cluster.
    #[arg(
        long,
        value_name = "HOST=URL",
        env = "AKESO_REGISTRY_MIRROR",
        value_delimiter = ','
    )]
    pub registry_mirror: Vec<Mirrors>,
}

/// `akeso incidents`
#[derive(Debug, Subcommand)]
pub enum Incidents {
    /// Lists the incidents that are open.
    List {
        /// Also those that are over.
        #[arg(long)]
        all: bool,
    },
    /// Shows one incident with its cause, plan and attempts.
    Show {
        /// For instance incident-7.
        id: akeso_core::workload::IncidentId,
        /// What a language model was sent about it, and what it answered, instead.
        #[arg(long)]
        prompt: bool,
    },
}

/// `akeso approve`, `akeso reject`, `akeso rollback`
#[derive(Debug, Args)]
pub struct Decided {
    /// The attempt, for instance attempt-7; to approve or reject, the incident will do.
    pub id: String,
}

/// `akeso policy`
#[derive(Debug, Subcommand)]
pub enum Policy {
    /// Checks a policy file, and says what it means in effect.
    ///
    /// Exit code: 0 it can be used, 1 something in it is wrong, 2 it cannot be read.
    Check {
        /// The file.
        file: PathBuf,
    },
    /// Explains what was decided on an incident: what every rule said, and which one decided.
    Explain {
        /// For instance incident-7.
        id: akeso_core::workload::IncidentId,
        /// The policy, to say what holds for the incident now.
        #[arg(long, value_name = "FILE", env = "AKESO_POLICY")]
        policy: Option<PathBuf>,
    },
}

/// `akeso memory`
#[derive(Debug, Subcommand)]
pub enum Memory {
    /// Lists what was learned.
    List {
        /// For which workloads: this very one, those of the same image and command, those of the
        /// same image, or any with the same fault.
        #[arg(long, value_enum, default_value_t)]
        level: Shown,
    },
    /// Shows one pattern.
    Show {
        /// Its id, as `akeso memory list` prints it.
        id: String,
    },
    /// Prints everything that was learned, for `akeso memory import` on another store.
    Export {
        /// In which form.
        #[arg(long, value_enum, default_value_t)]
        format: MemoryFormat,
    },
    /// Takes in what another store has learned, or the article's `agentic_memory.json`. What comes
    /// from the same store again takes the place of what was known of it. No monitor may run on the
    /// same store.
    Import {
        /// The file; `-` for standard input.
        file: PathBuf,
    },
    /// Forgets what is known of one failure, there and at every narrower level. No monitor may run on
    /// the same store.
    Forget {
        /// The id of one of its patterns, as `akeso memory list` prints it.
        id: String,
    },
    /// Forgets what was not used for long; after 180 days it is forgotten in any case. No monitor may
    /// run on the same store.
    Prune {
        /// What was not used since then.
        #[arg(long, value_name = "WHEN", default_value = "90d", value_parser = since)]
        unused_since: Timestamp,
    },
}

/// The form of a memory file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum MemoryFormat {
    /// Akeso's own: the patterns, with where they were learned.
    #[default]
    Akeso,
    /// That of the article's `agentic_memory.json`: the attempts, and what helped by status and
    /// reason.
    Article,
}

/// The levels of patterns that are listed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Shown {
    /// Those of one workload.
    Workload,
    /// Those of an image and command.
    #[default]
    Program,
    /// Those of an image.
    Image,
    /// Those of a fault.
    Fault,
    /// All of them.
    All,
}

/// `akeso report`
#[derive(Debug, Args)]
pub struct Report {
    /// Incidents that were opened since then: a duration, or a time.
    #[arg(long, value_name = "DURATION|TIME", default_value = "90d", value_parser = since)]
    pub since: Timestamp,
    /// Tell what would have been done where Akeso only observes, and how often a person did the same.
    #[arg(long)]
    pub shadow: bool,
    /// Print a page of HTML with charts, which needs nothing else.
    #[arg(long)]
    pub html: bool,
}

/// `akeso audit`
#[derive(Debug, Subcommand)]
pub enum Audit {
    /// Finds any entry that was edited, removed, inserted or moved, and names the first.
    ///
    /// Exit code: 0 the journal is what was written, 1 it is not, 2 error.
    Verify {
        /// The public key to verify with [default: the one beside the signing key].
        #[arg(long, value_name = "FILE")]
        public_key: Option<PathBuf>,
    },
    /// Prints a row for each change made or decided: who, what, why, before, after.
    Export {
        /// The form of a row.
        #[arg(long, value_enum, default_value_t = ExportFormat::Jsonl)]
        format: ExportFormat,
        /// Leave out what is older: `7d`, or a time such as 2030-01-31T00:00:00Z.
        #[arg(long, value_name = "DURATION|TIME", value_parser = since)]
        since: Option<Timestamp>,
    },
}

/// The forms of an export.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ExportFormat {
    /// One JSON object a line.
    Jsonl,
    /// Comma-separated values with a heading (RFC 4180).
    Csv,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    /// The commands in a page: lines of code and words of code that begin with `akeso `.
    fn commands(page: &str) -> Vec<String> {
        let spans = page.lines().flat_map(|line| {
            let words = line.split('`').skip(1).step_by(2);
            std::iter::once(line).chain(words)
        });
        let commands = spans.filter(|it| it.starts_with("akeso "));
        let alone = commands.map(|it| it.split(['|', '>', '#']).next().unwrap_or_default());
        alone.map(str::to_owned).collect()
    }

    #[test]
    fn every_command_of_the_rollout_exists() {
        let commands = commands(include_str!("../../../docs/rollout.md"));
        assert!(commands.len() > 20, "{commands:?}");
        for command in commands {
            let parsed = Cli::try_parse_from(command.split_whitespace());
            assert!(parsed.is_ok(), "{command}: {:?}", parsed.err());
        }
    }
}
