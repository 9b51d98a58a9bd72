//! `runner gc`: what need not be kept of runs, shown first and removed when asked to.

use std::collections::BTreeSet;

use indicatif::DecimalBytes;
use jiff::Timestamp;

use super::{print, render, say};
use crate::cli::GcArgs;
use crate::error::EXIT_OK;
use crate::output::view;
use crate::report::RemovalRow;
use crate::store::removal::{candidates, empty_trash, remnants, remove};
use crate::store::retention::{Candidate, Policy, Removal, removals};
use crate::store::{self, RunsDir, Status};
use crate::{Error, Result};

/// A row for each thing that goes; with `--yes`, that went.
pub fn execute(args: &GcArgs) -> Result<u8> {
    let policy = policy(args)?;
    let runs = RunsDir::new(&args.runs.runs);
    let experiments = experiments(args, &runs)?;
    let mut entries = Vec::new();
    for experiment in &experiments {
        entries.extend(store::scan(&runs, Some(experiment))?);
    }
    let found = candidates(&entries, policy.keep_best.is_some())?;
    tell_unranked(&policy, &found);
    let now = Timestamp::now();
    let planned = removals(&policy, &found, now);
    let mut left_over = Vec::new();
    for experiment in &experiments {
        let remnants = remnants(&runs.experiment(experiment))?;
        left_over.extend(remnants.iter().map(|remnant| RemovalRow::of_remnant(experiment, remnant)));
    }
    let (mut rows, failure) = if args.yes {
        carry_out(&planned, &runs, &experiments, now)
    } else {
        (planned.iter().map(RemovalRow::from).collect(), None)
    };
    rows.extend(left_over);
    show(args, &rows)?;
    failure.map_or(Ok(EXIT_OK), Err)
}

fn policy(args: &GcArgs) -> Result<Policy> {
    let policy = Policy {
        keep_best: args.keep_best,
        older_than: args.older_than,
        statuses: args.status.iter().map(|status| Status::from(*status)).collect(),
        last: args.last,
    };
    if policy.keep_best.is_some() || policy.last || !policy.statuses.is_empty() {
        return Ok(policy);
    }
    let only = if policy.older_than.is_some() { "--older-than says of which runs, not what; " } else { "" };
    Err(Error::Request(format!(
        "{only}say what may go: --keep-best N (checkpoints of the other completed runs), --last (last.safetensors of \
         completed runs) or --status STATUS,… (whole folders)"
    )))
}

/// The experiments that were named, or all.
fn experiments(args: &GcArgs, runs: &RunsDir) -> Result<BTreeSet<String>> {
    let known = store::experiments(runs)?;
    if let Some(unknown) = args.experiments.iter().find(|name| !known.contains(name)) {
        let list = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        let folder = runs.path().display();
        return Err(Error::Request(format!(
            "there is no experiment \"{unknown}\" in {folder}; there are: {list}"
        )));
    }
    let named = if args.experiments.is_empty() { known } else { args.experiments.clone() };
    Ok(named.into_iter().collect())
}

/// Nobody should wonder why a run is kept.
fn tell_unranked(policy: &Policy, found: &[Candidate<'_>]) {
    let is_unranked = |candidate: &&Candidate<'_>| {
        candidate.entry.record.status == Status::Completed && candidate.score.is_none()
    };
    let count = found.iter().filter(is_unranked).count();
    if policy.keep_best.is_some() && count > 0 {
        let runs = if count == 1 { "1 completed run has" } else { &format!("{count} completed runs have") };
        say(&format!("note: {runs} no value of a monitored metric and cannot be ranked: kept"));
    }
}

/// What was removed, and the first thing that went wrong: the others are removed all the same.
fn carry_out(
    planned: &[Removal<'_>],
    runs: &RunsDir,
    experiments: &BTreeSet<String>,
    now: Timestamp,
) -> (Vec<RemovalRow>, Option<Error>) {
    let (mut rows, mut failure) = (Vec::new(), None);
    for removal in planned {
        match remove(removal, now) {
            Ok(None) => rows.push(RemovalRow::from(removal)),
            Ok(Some(reason)) => say(&format!("note: {} is left: {reason}", removal.entry.name)),
            Err(error) => {
                failure.get_or_insert(error);
            }
        }
    }
    for experiment in experiments {
        if let Err(error) = empty_trash(&runs.experiment(experiment)) {
            failure.get_or_insert(error);
        }
    }
    (rows, failure)
}

fn show(args: &GcArgs, rows: &[RemovalRow]) -> Result<()> {
    let format = args.format;
    let for_people = !(format.json || format.csv || format.markdown);
    if !rows.is_empty() || !for_people {
        print(&render(&view::removals(rows), format)?)?;
    }
    let bytes = rows.iter().map(|row| row.bytes).sum();
    let total = match rows.len() {
        0 => "nothing to remove".to_owned(),
        1 => format!("1 run, {}", DecimalBytes(bytes)),
        count => format!("{count} runs, {}", DecimalBytes(bytes)),
    };
    match (rows.is_empty(), args.yes) {
        (true, _) => say(&total),
        (false, false) => {
            if for_people {
                print(&total)?;
            }
            say("nothing is removed yet: add --yes to remove what is listed");
        }
        (false, true) if for_people => print(&format!("removed: {total}"))?,
        (false, true) => {}
    }
    Ok(())
}
