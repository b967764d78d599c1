//! `fireseal migrate verify`: everything is opened, and compared with what was sealed.

use clap::Args;
use fireseal::operations::{Seal as SealStep, Verify as VerifyStep};
use serde_json::{Value, json};

use super::told;
use super::work::Work;
use super::wrong;
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::output::Told;

/// Open every configured field of a collection, and compare with the job that sealed it
///
/// Writes nothing to the documents. Exit code 3 where a value does not open or stands in the clear. It says
/// whether the values are those that the finished `migrate seal` found: another digest means that somebody
/// wrote, or that keys were rotated, in between. A run that was stopped goes on with the same command; one that
/// was finished is done anew. --dry-run keeps no checkpoints, and needs no right to write.
#[derive(Debug, Args)]
pub struct Verify {
    /// Exit code 3 as well where the values are others than `migrate seal` found
    #[arg(long)]
    expect_unchanged: bool,
    #[command(flatten)]
    work: Work,
}

impl Verify {
    pub async fn run(self, context: &Context<'_>) -> Result<Told, Failure> {
        let (config, vault) = (self.work.collection(context)?, self.work.vault(context).await?);
        let step = VerifyStep::new(config.clone(), vault.clone()).map_err(wrong)?;
        let work = self.work.only_reading();
        if work.only_says() {
            return work.run(context, step).await;
        }
        let report = work.report(context, step).await?;
        // What the program cannot seal, such as unique values, it has no finished `seal` of.
        let sealed = match SealStep::new(config, vault) {
            Ok(sealed) if report.finished => work.status_of(context, sealed).await?,
            _ => None,
        };
        let sealed = sealed.filter(|status| status.is_finished());
        let unchanged = sealed.map(|status| status.total.counts.digest == report.total.counts.digest);
        let mut text = told::report(&report);
        text.push_str(match unchanged {
            None if !report.finished => "digest      compared once all documents were looked at\n",
            None => "digest      no finished `migrate seal` to compare with\n",
            Some(true) => "digest      the values are those that `migrate seal` found\n",
            Some(false) => "digest      other values, or keys, than when `migrate seal` ended\n",
        });
        let mut value: Value = told::value(&report)?;
        value["unchanged"] = json!(unchanged);
        let exit = match told::exit(&report) {
            Exit::Done if self.expect_unchanged && unchanged != Some(true) => Exit::Found,
            exit => exit,
        };
        Ok(Told::new(text, value).exit(exit))
    }
}
