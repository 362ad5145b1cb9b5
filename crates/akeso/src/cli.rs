//! The command line, as it is typed.

use std::path::PathBuf;

use akeso_core::{
    act::ActionKind,
    policy::{Autonomy, Glob},
    quantity::Bytes,
};
use akeso_kube::{
    Mirrors,
    permissions::{NamespaceName, ServiceAccountName},
};
use clap::{Args, Parser, Subcommand, ValueEnum};

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
    /// Shows incidents from the store.
    #[command(subcommand)]
    Incidents(Incidents),
    /// Shows and changes what was learned.
    #[command(subcommand)]
    Memory(Memory),
    /// Prints the roles that Akeso needs, for `kubectl apply -f -`; no cluster is asked.
    Rbac(Rbac),
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
    /// How much Akeso does by itself; a scan, which does nothing, says what it would do.
    #[arg(long, value_enum, default_value_t = Level::Standard, env = "AKESO_AUTONOMY")]
    pub autonomy: Level,
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
    /// Never raise a memory limit beyond this.
    #[arg(long, value_name = "QUANTITY", default_value = "4Gi", value_parser = Bytes::parse)]
    pub memory_ceiling: Bytes,
    /// A namespace in which nothing is changed, beside kube-system, kube-public, kube-node-lease
    /// and Akeso's own; may be given several times.
    #[arg(long, value_name = "NAME", value_delimiter = ',', value_parser = |text: &str| Glob::try_from(text.to_owned()))]
    pub protect: Vec<Glob>,
    /// How often everything is looked at again, beside the watch: `30s`, `5m`, or a number of
    /// seconds.
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = interval)]
    pub interval: std::time::Duration,
    /// Forget what was learned before starting.
    #[arg(long)]
    pub fresh: bool,
    /// End when nothing is left to do.
    #[arg(long)]
    pub once: bool,
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
    /// An action to allow; may be given several times [default: all].
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
    },
}

/// `akeso memory`
#[derive(Debug, Subcommand)]
pub enum Memory {
    /// Lists what was learned.
    List,
    /// Shows one pattern.
    Show {
        /// Its id, as `akeso memory list` prints it.
        id: String,
    },
    /// Forgets one pattern. No monitor may run on the same store.
    Forget {
        /// Its id, as `akeso memory list` prints it.
        id: String,
    },
}

/// How much Akeso does by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Level {
    /// Says what it would do; changes nothing.
    Observe,
    /// Proven images and doubled memory act; everything else asks.
    Cautious,
    /// Every reversible, proven fix acts; placeholders for credentials ask.
    Standard,
    /// Everything that the gates allow acts.
    Full,
}

impl From<Level> for Autonomy {
    fn from(level: Level) -> Self {
        match level {
            Level::Observe => Self::Observe,
            Level::Cautious => Self::Cautious,
            Level::Standard => Self::Standard,
            Level::Full => Self::Full,
        }
    }
}

/// An action by its name.
fn action(text: &str) -> Result<ActionKind, String> {
    let found = ActionKind::ALL.iter().find(|kind| kind.as_str() == text);
    let names: Vec<_> = ActionKind::ALL.iter().map(|kind| kind.as_str()).collect();
    found
        .copied()
        .ok_or_else(|| format!("the actions are {}", names.join(", ")))
}

/// A duration, or the article's plain number of seconds.
fn interval(text: &str) -> Result<std::time::Duration, String> {
    let duration = match text.parse::<u64>() {
        Ok(seconds) => Ok(std::time::Duration::from_secs(seconds)),
        Err(_) => humantime::parse_duration(text),
    };
    let duration = duration.map_err(|error| format!("{error}; write for instance 30s or 5m"))?;
    if duration < std::time::Duration::from_secs(1) {
        return Err("an interval is at least 1s".to_owned());
    }
    Ok(duration)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn intervals_are_durations_or_the_articles_seconds() {
        assert_eq!(interval("30"), Ok(std::time::Duration::from_secs(30)));
        assert_eq!(interval("5m"), Ok(std::time::Duration::from_mins(5)));
        assert!(interval("0").is_err());
        assert!(interval("soon").unwrap_err().contains("30s"));
    }
}
