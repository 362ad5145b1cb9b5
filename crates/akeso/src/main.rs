//! `akeso`, the program: command line, store, output, and the loop around the engine.
//!
//! **Invariant:** errors go to stderr as one sentence that says what to do next, with exit code 2.

mod cli;
mod commands;
mod configuration;
mod drive;
mod evaluation;
mod memory_file;
mod model;
mod policy_file;
mod report;
mod store;
mod write_ahead;

use std::process::ExitCode;

use clap::{CommandFactory, Parser};
use cli::{Cli, Command};
use store::Wish;

fn main() -> ExitCode {
    let cli = Cli::parse();
    if let Err(error) = start_log(&cli.global.log) {
        eprintln!("akeso: --log: {error}; write for instance info or akeso_kube=debug");
        return ExitCode::from(2);
    }
    // every TLS client of this process uses ring
    if rustls::crypto::ring::default_provider()
        .install_default()
        .is_err()
    {
        tracing::debug!("a TLS provider was installed before");
    }
    match run(cli) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("akeso: {error:#}");
            ExitCode::from(2)
        }
    }
}

fn start_log(filter: &str) -> Result<(), tracing_subscriber::filter::ParseError> {
    let filter = tracing_subscriber::EnvFilter::builder().parse(filter)?;
    let colour = std::io::IsTerminal::is_terminal(&std::io::stderr());
    tracing_subscriber::fmt()
        .with_ansi(colour)
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .init();
    Ok(())
}

fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    let global = cli.global;
    match cli.command {
        Command::Demo(arguments) if arguments.on_cluster => {
            runtime()?.block_on(commands::demo_on_cluster::run(&global, arguments))
        }
        Command::Demo(arguments) => commands::demo::run(&global, &arguments),
        Command::Monitor(arguments) => {
            runtime()?.block_on(commands::monitor::run(&global, arguments))
        }
        Command::Scan(target) => runtime()?.block_on(commands::scan::run(&global, target)),
        Command::Diagnose(arguments) => {
            runtime()?.block_on(commands::diagnose::run(&global, arguments))
        }
        Command::Incidents(arguments) => commands::incidents::run(&global, &arguments),
        Command::Approve(arguments) => commands::decide::run(&global, Wish::Approve, &arguments),
        Command::Reject(arguments) => commands::decide::run(&global, Wish::Reject, &arguments),
        Command::Rollback(arguments) => commands::decide::run(&global, Wish::Rollback, &arguments),
        Command::Memory(arguments) => commands::memory::run(&global, &arguments),
        Command::Report(arguments) => commands::report::run(&global, &arguments),
        Command::Audit(arguments) => commands::audit::run(&global, &arguments),
        Command::Rbac(arguments) => commands::rbac::run(&arguments),
        Command::Policy(arguments) => commands::policy::run(&global, &arguments),
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Cli::command(), "akeso", &mut std::io::stdout());
            Ok(ExitCode::SUCCESS)
        }
        Command::Man => {
            clap_mangen::Man::new(Cli::command()).render(&mut std::io::stdout())?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    // one event at a time is decided on, and the rest is waiting: one thread is enough, and small
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
}
