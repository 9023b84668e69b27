//! `lima lab module`: the test kernel module, built here and driven in a guest.

use super::say;
use anyhow::{Context, Result};
use clap::{Args, Subcommand};
use lima_lab::guest::{self, Cache, Extras};
use lima_lab::module::{self, Store};
use lima_model::escape::terminal;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

/// What to do with the module.
#[derive(Debug, Subcommand)]
pub enum Module {
    /// Build it for a kernel of the lab; prints where it is
    Build(BuildArguments),
    /// Load it into the running kernel (in a guest)
    Load(LoadArguments),
    /// Unload it
    Unload,
    /// Run a command of the module; prints its answer as JSON
    #[command(after_help = RUN_HELP)]
    Run(RunArguments),
}

/// The arguments of `build`.
#[derive(Args, Debug)]
pub struct BuildArguments {
    /// The kernel: a version, a release, or a name that `lima lab kernels` shows
    #[arg(long, value_name = "KERNEL", default_value = "6.1")]
    kernel: String,
    /// Its headers or build tree, when they are not in the lab's cache
    #[arg(long, value_name = "DIR")]
    tree: Option<PathBuf>,
}

/// The arguments of `load`.
#[derive(Args, Debug)]
pub struct LoadArguments {
    /// The module [default: the one that `build` made for the running kernel]
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
}

/// The arguments of `run`.
#[derive(Args, Debug)]
pub struct RunArguments {
    /// The command, as one argument or several
    #[arg(required = true, value_name = "COMMAND")]
    command: Vec<String>,
}

const RUN_HELP: &str = "\
Examples, in a guest:
  lima lab module run list
  lima lab module run take lock=box.mutex by=mutex_lock threads=2 count=1000
  lima lab module run fail lock=box.rwsem by=down_read_trylock count=100
  lima lab module run block lock=box.mutex by=mutex_lock hold_us=50000 delay_us=10000 count=5

lab/modules/README.md in LIMA's source tells the commands and the answers.";

/// Runs the command.
pub fn run(module: &Module) -> Result<ExitCode> {
    match module {
        Module::Build(arguments) => build(arguments)?,
        Module::Load(arguments) => load(arguments)?,
        Module::Unload => module::unload()?,
        Module::Run(arguments) => print(module::run_text(&arguments.command.join(" "))?.trim_end())?,
    }
    Ok(ExitCode::SUCCESS)
}

fn build(arguments: &BuildArguments) -> Result<()> {
    let store = Store::of_user()?;
    let built = if let Some(tree) = &arguments.tree {
        module::build(&store, &module::release_of(tree)?, tree)?
    } else {
        let kernel =
            guest::fetch(&Cache::of_user()?, &arguments.kernel, Extras { headers: true, ..Extras::default() }, &say)?;
        let headers = kernel.headers().with_context(|| format!("{} came without headers", kernel.release))?;
        module::build(&store, &kernel.release, &headers)?
    };
    print(&terminal(&built.display().to_string()))
}

fn load(arguments: &LoadArguments) -> Result<()> {
    let file = match &arguments.file {
        Some(file) => file.clone(),
        None => Store::of_user()?.place(&rustix::system::uname().release().to_string_lossy()),
    };
    module::load(&file).with_context(|| match arguments.file {
        Some(_) => "cannot load the module".to_owned(),
        None => {
            "cannot load the module that `lima lab module build` makes for this kernel (outside the guest)".to_owned()
        }
    })
}

fn print(text: &str) -> Result<()> {
    writeln!(std::io::stdout(), "{text}").context("cannot write to standard output")
}
