//! The command line.

#![allow(clippy::doc_markdown, reason = "printed as it is by --help")]

use std::path::PathBuf;

use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use dzconn_core::model::AssetPath;

/// What every `--help` ends with.
const EXIT_CODES: &str = "\
Exit codes:
  0  done: what was asked for is the case now
  1  failed, and a retry does not help by itself
  2  the command line, the directory file or other input is wrong; nothing was changed
  3  failed, and a retry can help
  4  nothing was done: the portal wants something else by now, or the asset is not dzconn's
  130  interrupted; the next run for the same environment and source finishes what was begun";

/// What `reconcile --help` ends with.
const RECONCILE: &str = "\
Exit codes:
  0  records, secrets and sources agree, or do now; what others gave to users is told
  1  something differs, and is left: without --apply all of it, else what only people can mend
  2, 3, 130  as of the other commands";

/// What `uninstall --help` ends with.
const UNINSTALL: &str = "\
Exit codes:
  0  no user, secret, record or statement of dzconn's is there, as far as was looked; the answer says where
  1  something remains: without --apply all of it, else what could not be removed, each with the reason
  2  it could not begin as it was asked to; nothing was done
  3  something failed that may go well when it is done again
  130  as of the other commands

On AWS only projects that DataZone shows to the caller are looked through: it should be a member of all. A second
installation that serves the same domain and accounts would lose its equipment, and secrets of shared environments.";

/// Grants consumers read access to single tables, and takes it back.
#[derive(Debug, Parser)]
#[command(name = "dzconn", version, after_help = EXIT_CODES, max_term_width = 110)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Options of every command.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Everywhere")]
pub(crate) struct Global {
    /// The directory file; ./dzconn.toml if it is there
    #[arg(long, global = true, value_name = "FILE", env = "DZCONN_DIRECTORY")]
    pub(crate) directory: Option<PathBuf>,
    /// Where secrets and tracking records are kept; by default dzconn/store.sqlite in $XDG_STATE_HOME or ~/.local/state
    #[arg(long, global = true, value_name = "FILE", env = "DZCONN_STORE")]
    pub(crate) store: Option<PathBuf>,
    /// A file with the key that encrypts the store's secrets; otherwise the key is taken from DZCONN_STORE_KEY
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) store_key_file: Option<PathBuf>,
    /// Works on AWS: tables, secrets, connections and subscriptions are there, and the directory file and the store are not
    /// looked at. Credentials and region come as for AWS's own tools
    #[cfg(feature = "aws")]
    #[arg(long, global = true)]
    pub(crate) aws: bool,
    /// The profile of the AWS configuration; implies --aws
    #[cfg(feature = "aws")]
    #[arg(long, global = true, value_name = "NAME")]
    pub(crate) profile: Option<String>,
    /// What differs on AWS from the names that dzconn uses by default: tables, roles, key, blueprints; implies --aws. With
    /// --aws or --profile alone, DZCONN_CONFIG names the file
    #[cfg(feature = "aws")]
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// One JSON document on standard output, for programs
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// When to use colours; NO_COLOR is honoured
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    pub(crate) color: ColorChoice,
    /// Logs what is done to standard error; twice for more. RUST_LOG says it more finely and comes first
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub(crate) verbose: u8,
    /// How long one grant, revoke or rotation may take
    #[arg(long, global = true, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub(crate) timeout: u64,
}

impl Global {
    /// Whether the command line says so. A variable alone does not: it may be there for another command.
    #[cfg(feature = "aws")]
    pub(crate) fn is_aws(&self) -> bool {
        self.aws || self.profile.is_some() || self.config.is_some()
    }

    #[cfg(not(feature = "aws"))]
    #[allow(clippy::unused_self, reason = "what it is in a build with AWS")]
    pub(crate) fn is_aws(&self) -> bool {
        false
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum ColorChoice {
    #[default]
    Auto,
    Always,
    Never,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Lets an environment read an asset's table
    #[command(after_help = EXIT_CODES)]
    Grant(TargetArgs),
    /// Takes an environment's read on an asset's table back; with its last table go its user, sessions and secrets
    #[command(after_help = EXIT_CODES)]
    Revoke(RevokeArgs),
    /// Gives environments new credentials; what their secrets hold logs in at every moment
    #[command(after_help = EXIT_CODES)]
    Rotate(RotateArgs),
    /// Shows what a grant, revoke or rotation would do, and changes nothing
    #[command(after_help = EXIT_CODES)]
    Plan {
        #[command(subcommand)]
        what: PlanCommand,
    },
    /// Extends environments when they come, and puts them back when they go
    #[cfg(feature = "aws")]
    Environment {
        #[command(subcommand)]
        what: EnvironmentCommand,
    },
    /// Shows who can read what
    #[command(after_help = EXIT_CODES)]
    List(ListArgs),
    /// Shows one environment on one source in detail
    #[command(after_help = EXIT_CODES)]
    Show(ShowArgs),
    /// Compares records and secrets with what the sources really grant; changes nothing without --apply
    #[command(after_help = RECONCILE)]
    Reconcile(ReconcileArgs),
    /// Takes everything back: revokes all access, puts every environment back, and looks for what remains; changes nothing
    /// without --apply
    #[command(after_help = UNINSTALL)]
    Uninstall(UninstallArgs),
    /// Prints what a consumer needs to log in
    #[command(after_help = EXIT_CODES)]
    Credentials(CredentialsArgs),
    /// Works on DataZone's events about subscriptions and environments, as EventBridge delivers them
    #[command(visible_alias = "events", after_help = EXIT_CODES)]
    Fulfil(EventsArgs),
    /// Reads the directory file and tries every source
    #[command(after_help = EXIT_CODES)]
    Check(CheckArgs),
    /// Prepares an account
    #[cfg(feature = "aws")]
    Admin {
        #[command(subcommand)]
        what: AdminCommand,
    },
    /// Templates for what producers and consumers help themselves to: Glue connections, crawlers, Athena connectors
    #[cfg(feature = "aws")]
    Toolkit {
        #[command(subcommand)]
        what: ToolkitCommand,
    },
    /// Shows a subscription's whole life on throwaway databases
    #[cfg(feature = "demo")]
    #[command(after_help = EXIT_CODES)]
    Demo(DemoArgs),
    /// Prints a shell's completion script
    Completions {
        /// For which shell
        shell: Shell,
    },
}

#[cfg(feature = "aws")]
#[derive(Debug, Subcommand)]
pub(crate) enum AdminCommand {
    /// Makes the tracking tables in the governance account, where they are missing; what is there is checked and left
    #[command(after_help = EXIT_CODES)]
    CreateTables,
}

#[cfg(feature = "aws")]
#[derive(Debug, Subcommand)]
pub(crate) enum EnvironmentCommand {
    /// Extends the user role of an environment and tags its databases, as after its deployment. One that the portal is
    /// deleting is left alone
    #[command(after_help = EXIT_CODES)]
    Activate(EnvironmentArgs),
    /// Puts role and databases back as the portal made them and revokes everything that the environment was granted,
    /// whatever the portal says
    #[command(after_help = EXIT_CODES)]
    Clean(EnvironmentArgs),
}

#[cfg(feature = "aws")]
#[derive(Debug, Subcommand)]
pub(crate) enum ToolkitCommand {
    /// Lists the products, in the order in which they are deployed
    #[command(after_help = EXIT_CODES)]
    List,
    /// Shows what a product takes
    #[command(after_help = EXIT_CODES)]
    Show {
        /// The product
        #[arg(value_name = "PRODUCT")]
        product: String,
        /// Prints its template
        #[arg(long)]
        template: bool,
    },
    /// Checks what a product takes, writes its template and parameters, and prints the command that deploys them
    #[command(after_help = EXIT_CODES)]
    Render(RenderArgs),
    /// Writes all templates, for the bucket that the portfolios take them from
    #[command(after_help = EXIT_CODES)]
    Templates {
        /// Into which folder
        #[arg(long, value_name = "FOLDER")]
        out: PathBuf,
    },
}

#[cfg(feature = "aws")]
#[derive(Debug, Args)]
pub(crate) struct EnvironmentArgs {
    /// The environment
    #[arg(long, value_name = "ID")]
    pub(crate) environment: String,
    /// The domain, where the records do not name just one
    #[arg(long, value_name = "ID")]
    pub(crate) domain: Option<String>,
    /// Shows what would be done, and changes nothing
    #[arg(long)]
    pub(crate) plan: bool,
}

#[cfg(feature = "aws")]
#[derive(Debug, Args)]
pub(crate) struct RenderArgs {
    /// The product
    #[arg(value_name = "PRODUCT")]
    pub(crate) product: String,
    /// The stack's name, where the product is not deployed once in an account
    #[arg(long, value_name = "NAME")]
    pub(crate) stack: Option<String>,
    /// A parameter; wins over the file's
    #[arg(long, value_name = "NAME=VALUE")]
    pub(crate) set: Vec<String>,
    /// Parameters, as a JSON object or as `render` writes them
    #[arg(long, value_name = "FILE")]
    pub(crate) values: Option<PathBuf>,
    /// Into which folder
    #[arg(long, value_name = "FOLDER")]
    pub(crate) out: PathBuf,
}

#[derive(Debug, Subcommand)]
pub(crate) enum PlanCommand {
    /// What an event would do
    #[command(visible_alias = "events", after_help = EXIT_CODES)]
    Event(EventsArgs),
    /// What a grant would do
    #[command(after_help = EXIT_CODES)]
    Grant(TargetArgs),
    /// What a revoke would do
    #[command(after_help = EXIT_CODES)]
    Revoke(RevokeArgs),
    /// What a rotation would do
    #[command(after_help = EXIT_CODES)]
    Rotate(RotateArgs),
}

/// Who is to read what.
#[derive(Debug, Args)]
pub(crate) struct TargetArgs {
    /// The asset: its id, listing, name or path, such as sales.hr.offices
    #[arg(long, value_name = "ASSET")]
    pub(crate) asset: String,
    /// The consumer's environment
    #[arg(long, value_name = "ID")]
    pub(crate) environment: String,
    /// The environment's project, where the directory file does not have the environment
    #[arg(long, value_name = "ID")]
    pub(crate) project: Option<String>,
    /// The source, where the directory file does not have the asset or has it at several; on AWS the connection's ARN or
    /// name
    #[arg(long, value_name = "NAME")]
    pub(crate) source: Option<String>,
    #[command(flatten)]
    pub(crate) connect: ConnectArgs,
}

#[derive(Debug, Args)]
pub(crate) struct RevokeArgs {
    #[command(flatten)]
    pub(crate) target: TargetArgs,
    /// What an older system granted: the path, where it did not record it
    #[arg(long, value_name = "PATH", requires = "source")]
    pub(crate) path: Option<AssetPath>,
    /// The subscription ends, but access that is there stays. The portal has the last word here too: on AWS, what it still
    /// approves stays granted, and what it has ended without retaining is revoked
    #[arg(long)]
    pub(crate) retain: bool,
}

/// Whose credentials, and where.
#[derive(Debug, Args)]
#[group(required = true, multiple = true)]
pub(crate) struct RotateArgs {
    /// Only this environment
    #[arg(long, value_name = "ID")]
    pub(crate) environment: Option<String>,
    /// Only this source
    #[arg(long, value_name = "NAME")]
    pub(crate) source: Option<String>,
    /// Every environment on every source
    #[arg(long, conflicts_with_all = ["environment", "source"])]
    pub(crate) all: bool,
}

/// A source that the directory file does not have. The password is never an argument.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "A source that is not in the directory file")]
pub(crate) struct ConnectArgs {
    /// Where it is, such as jdbc:postgresql://db.internal:5432/sales
    #[arg(long, value_name = "JDBC-URL", requires = "admin", conflicts_with = "source")]
    pub(crate) url: Option<String>,
    /// The connection's id; by default made out of the URL
    #[arg(long, value_name = "ID", requires = "url")]
    pub(crate) connection: Option<String>,
    /// The admin user
    #[arg(long, value_name = "USER", requires = "url")]
    pub(crate) admin: Option<String>,
    /// The environment variable with the admin's password
    #[arg(long, value_name = "VARIABLE", requires = "url", conflicts_with = "password_file")]
    pub(crate) password_env: Option<String>,
    /// The file with the admin's password
    #[arg(long, value_name = "FILE", requires = "url")]
    pub(crate) password_file: Option<PathBuf>,
    /// What the connection must be; verify-full if neither this nor the URL says it
    #[arg(long, value_name = "MODE", requires = "url", value_parser = crate::url::TLS_MODES)]
    pub(crate) tls: Option<String>,
    /// The authorities that may sign the source's certificate, as PEM
    #[arg(long, value_name = "FILE", requires = "url")]
    pub(crate) ca_file: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    /// Only this source
    #[arg(long, value_name = "NAME")]
    pub(crate) source: Option<String>,
    /// Only this environment
    #[arg(long, value_name = "ID")]
    pub(crate) environment: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct ShowArgs {
    /// The environment
    #[arg(value_name = "ENVIRONMENT")]
    pub(crate) environment: String,
    /// The source, where the environment has access to several
    #[arg(long, value_name = "NAME")]
    pub(crate) source: Option<String>,
    /// Asks the source too: whether the user is there, and what it can really read
    #[arg(long)]
    pub(crate) live: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ReconcileArgs {
    /// Only this source
    #[arg(long, value_name = "NAME")]
    pub(crate) source: Option<String>,
    /// Only this environment
    #[arg(long, value_name = "ID")]
    pub(crate) environment: Option<String>,
    /// Mends what can be mended. What dzconn has not made is never touched
    #[arg(long)]
    pub(crate) apply: bool,
}

#[derive(Debug, Args)]
pub(crate) struct UninstallArgs {
    /// Takes everything back. There is no way to bring it all back but to grant it again
    #[arg(long)]
    pub(crate) apply: bool,
    /// A domain whose environments are put back too; those that records name are anyway
    #[cfg(feature = "aws")]
    #[arg(long, value_name = "ID")]
    pub(crate) domain: Vec<String>,
    /// A source to look for users on, though no record names it any more
    #[arg(long, value_name = "NAME")]
    pub(crate) source: Vec<String>,
    /// An environment whose users and secrets are dzconn's, though no record names it any more
    #[arg(long, value_name = "ID")]
    pub(crate) environment: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct CredentialsArgs {
    /// The environment
    #[arg(value_name = "ENVIRONMENT")]
    pub(crate) environment: String,
    /// The source, where the environment has access to several
    #[arg(long, value_name = "NAME")]
    pub(crate) source: Option<String>,
    /// Prints the password too
    #[arg(long)]
    pub(crate) show_password: bool,
}

#[derive(Debug, Args)]
pub(crate) struct EventsArgs {
    /// Files with one event, several one after the other, or a JSON array of them; `-` is standard input
    #[arg(value_name = "FILE", required_unless_present = "event")]
    pub(crate) files: Vec<PathBuf>,
    /// The same, as an option
    #[arg(long, value_name = "FILE")]
    pub(crate) event: Vec<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    /// Only this source
    #[arg(long, value_name = "NAME")]
    pub(crate) source: Option<String>,
    /// Reads the file and connects to nothing
    #[arg(long)]
    pub(crate) offline: bool,
}

#[cfg(feature = "demo")]
#[derive(Debug, Args)]
pub(crate) struct DemoArgs {
    /// Only this database
    #[arg(long, value_name = "ENGINE")]
    pub(crate) only: Option<DemoEngine>,
    /// Leaves access and servers there until Ctrl-C, and prints how to look around
    #[arg(long)]
    pub(crate) keep: bool,
}

#[cfg(feature = "demo")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum DemoEngine {
    Postgres,
    Mariadb,
}
