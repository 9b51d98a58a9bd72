//! Reports as tables.

use indexmap::IndexSet;

use super::table::{Cell, Column, Table};
use crate::config::schema;
use crate::report::{Comparison, Difference, Group, ListRow, RemovalRow, Sheet, headline, plain};
use crate::sweep::short_key;

/// `runner list`. What says nothing is left out for people; programs get every column every time.
pub fn list(rows: &[ListRow], for_people: bool) -> Table {
    let experiments: IndexSet<&str> = rows.iter().map(|row| row.experiment.as_str()).collect();
    let names: IndexSet<&String> = rows.iter().flat_map(|row| row.best.keys()).collect();
    let metrics = headline(&names.into_iter().cloned().collect::<Vec<_>>());

    let mut columns = vec![Column::text("experiment"), Column::text("run"), Column::text("status")];
    columns.extend([Column::number("epochs"), Column::number("best")]);
    columns.extend(metrics.iter().map(Column::number));
    columns.extend([Column::number("time"), Column::text("reason")]);
    let mut table = Table::new(columns);
    for row in rows {
        let is_told = !for_people || experiments.len() > 1;
        let experiment = if is_told { text(&row.experiment) } else { Cell::Empty };
        let mut cells = vec![experiment, text(&row.name), text(row.status.word())];
        cells.extend([Cell::of(row.epochs, Cell::Count), Cell::of(row.best_epoch, Cell::Count)]);
        cells.extend(metrics.iter().map(|name| Cell::of(row.best.get(name).copied(), Cell::Number)));
        let time = (row.seconds > 0.0).then_some(row.seconds);
        cells.extend([Cell::of(time, Cell::Seconds), Cell::of(row.reason.as_deref(), text)]);
        table.push(cells);
    }
    if for_people { table.without_empty_columns() } else { table }
}

/// How many runs of a group stand in some way.
type Count = fn(&Group) -> usize;

/// `runner compare`, one experiment.
pub fn comparison(comparison: &Comparison) -> Table {
    let groups = &comparison.groups;
    let names: IndexSet<&String> = groups.iter().flat_map(|group| group.metrics.keys()).collect();
    let mut metrics = headline(&names.iter().map(|name| (*name).clone()).collect::<Vec<_>>());
    let tests: IndexSet<&String> = groups.iter().flat_map(|group| group.test.keys()).collect();
    // What the table is sorted by comes first.
    let sorted_by = &comparison.sorted_by;
    if names.contains(sorted_by) {
        metrics.retain(|name| name != sorted_by);
        metrics.insert(0, sorted_by.clone());
    }

    let schema = schema::keys();
    let mut columns: Vec<Column> =
        comparison.keys.iter().map(|key| Column::text(short_key(key, schema))).collect();
    columns.push(Column::number("n"));
    columns.extend(tests.iter().map(|name| Column::spread(format!("test_{name}"))));
    columns.extend(metrics.iter().map(Column::spread));
    columns.extend([Column::spread("epoch"), Column::spread("seconds")]);
    // What there is none of has no column.
    let counts: [(&str, Count); 3] = [
        ("failed", |group| group.failed),
        ("stopped", |group| group.stopped),
        ("unfinished", |group| group.unfinished),
    ];
    let counts: Vec<_> =
        counts.into_iter().filter(|(_, count)| groups.iter().any(|group| count(group) > 0)).collect();
    columns.extend(counts.iter().map(|(name, _)| Column::number(*name)));
    let mut table = Table::new(columns);
    for group in groups {
        let mut cells: Vec<Cell> = comparison.keys.iter().map(|key| setting(group, key)).collect();
        cells.push(Cell::Count(group.n));
        cells.extend(tests.iter().map(|name| Cell::of(group.test.get(*name).copied(), Cell::Spread)));
        cells.extend(metrics.iter().map(|name| Cell::of(group.metrics.get(name).copied(), Cell::Spread)));
        cells.extend([Cell::of(group.epoch, Cell::Spread), Cell::of(group.seconds, Cell::Spread)]);
        cells.extend(counts.iter().map(|(_, count)| Cell::Count(count(group))));
        table.push(cells);
    }
    table.without_empty_columns()
}

/// `runner diff`: settings, then metrics.
pub fn difference(difference: &Difference) -> (Table, Table) {
    let columns = |name: &str| {
        vec![Column::text(name), Column::text(&difference.left), Column::text(&difference.right)]
    };
    let mut settings = Table::new(columns("setting"));
    for line in &difference.settings {
        let value = |value: &Option<serde_json::Value>| Cell::of(value.as_ref(), |value| text(&plain(value)));
        settings.push(vec![text(&line.key), value(&line.left), value(&line.right)]);
    }
    let mut metrics = Table::new(columns("metric"));
    for column in 1..=2 {
        metrics.align_right(column);
    }
    for line in &difference.metrics {
        // A difference may lie in the last digit only.
        let value = |value: Option<f64>| Cell::of(value, Cell::Exact);
        metrics.push(vec![text(&line.name), value(line.left), value(line.right)]);
    }
    (settings, metrics)
}

/// `runner show`: what happened.
pub fn facts(sheet: &Sheet) -> Table {
    let record = &sheet.record;
    let mut table = Table::new(vec![Column::text("run"), Column::text(&sheet.title)]);
    let mut fact = |name: &str, value: String| {
        if !value.is_empty() {
            table.push(vec![text(name), Cell::Text(value)]);
        }
    };
    let early = if record.stopped_early { " (stopped early)" } else { "" };
    fact("status", format!("{}{early}", record.status));
    fact("id", record.id.clone());
    fact("folder", sheet.folder.clone());
    let swept: Vec<String> =
        record.assignment.iter().map(|(key, value)| format!("{key} = {}", plain(value))).collect();
    fact("swept", swept.join(", "));
    let epoch = |row: &Option<crate::train::event::Row>| row.as_ref().map(|row| row.epoch.to_string());
    fact("best epoch", epoch(&record.best).unwrap_or_default());
    fact("last epoch", epoch(&record.last).unwrap_or_default());
    fact("parameters", if record.parameters == 0 { String::new() } else { record.parameters.to_string() });
    let data = &record.data;
    let parts = [("train", data.train), ("valid", data.valid), ("test", data.test)];
    let parts = parts.into_iter().filter(|(_, count)| *count > 0);
    fact("samples", parts.map(|(part, count)| format!("{count} {part}")).collect::<Vec<_>>().join(", "));
    // A damaged record knows no time.
    if record.attempts > 0 {
        fact("started", Cell::Time(record.started).render());
        fact("time", Cell::Seconds(record.seconds).render());
    }
    let attempts = if record.attempts > 1 { record.attempts.to_string() } else { String::new() };
    fact("attempts", attempts);
    fact("device", record.device.clone());
    let machine = [record.host.as_str(), &record.cpu, &record.instruction_set];
    fact("machine", machine.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(", "));
    fact("error", record.error.clone().unwrap_or_default());
    table
}

/// `runner show`: the settings.
pub fn settings(sheet: &Sheet) -> Table {
    let mut table = Table::new(vec![Column::text("setting"), Column::text("value")]);
    for (key, value) in &sheet.settings {
        table.push(vec![text(key), text(&plain(value))]);
    }
    table
}

/// `runner show`: metrics of the best weights on every part.
pub fn metrics(sheet: &Sheet) -> Table {
    let parts = ["train", "valid", "test"].map(Column::number);
    let mut table = Table::new(std::iter::once(Column::text("metric")).chain(parts).collect());
    for line in &sheet.metrics {
        let parts = [line.train, line.valid, line.test].map(|value| Cell::of(value, Cell::Number));
        table.push(std::iter::once(text(&line.name)).chain(parts).collect());
    }
    table.without_empty_columns()
}

/// `runner gc`: a row for each thing that goes.
pub fn removals(rows: &[RemovalRow]) -> Table {
    let words = ["experiment", "run", "status", "removes"].map(Column::text);
    let columns = words.into_iter().chain([Column::number("bytes"), Column::text("why")]);
    let mut table = Table::new(columns.collect());
    for row in rows {
        let words = [&row.experiment, &row.run, row.status, row.what].map(text);
        table.push(words.into_iter().chain([Cell::Bytes(row.bytes), text(&row.reason)]).collect());
    }
    table
}

fn text(value: &str) -> Cell {
    Cell::Text(value.to_owned())
}

fn setting(group: &Group, key: &str) -> Cell {
    Cell::of(group.settings.get(key), |value| Cell::Setting(value.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{self, Monitor, Subject};
    use crate::store::{RunEntry, RunRecord, Status};
    use crate::train::event::Row;

    fn entry(experiment: &str, name: &str, p: f64, seed: u32, loss: f64) -> RunEntry {
        let id = blake3::hash(name.as_bytes()).to_hex();
        let mut record = RunRecord::new(&id[..8], name, experiment, "2026-03-01T12:00:00Z".parse().unwrap());
        record.assignment.insert("model.regularizer.p".into(), p.into());
        record.assignment.insert("seed".into(), seed.into());
        record.status = Status::Completed;
        record.seconds = 75.0;
        record.data.train = 1437;
        record.data.test = 360;
        let value = |name: &str, value| (name.to_owned(), value);
        let values = vec![
            value("train_loss", loss / 2.0),
            value("valid_loss", loss),
            value("train_accuracy", 0.99),
            value("valid_accuracy", 1.0 - loss / 4.0),
        ];
        record.best = Some(Row { epoch: 17, step: 170, lr: 1e-3, values: values.clone() });
        record.last = Some(Row { epoch: 20, step: 200, lr: 1e-3, values });
        record.test.extend([value("loss", loss + 0.05), value("accuracy", 0.875)]);
        RunEntry { dir: name.into(), experiment: experiment.to_owned(), name: name.to_owned(), record }
    }

    fn entries() -> Vec<RunEntry> {
        let mut entries = vec![
            entry("dropout", "p=0,seed=42-1", 0.0, 42, 0.4123),
            entry("dropout", "p=0,seed=43-2", 0.0, 43, 0.4321),
            entry("dropout", "p=0.3,seed=42-3", 0.3, 42, 0.3456),
            entry("dropout", "p=0.3,seed=43-4", 0.3, 43, 0.3556),
            entry("dropout", "p=0.3,seed=44-5", 0.3, 44, f64::NAN),
            entry("dropout", "p=0.5,seed=42-6", 0.5, 42, 0.5),
        ];
        entries[4].record.status = Status::Diverged;
        let failed = &mut entries[5].record;
        failed.status = Status::Failed;
        (failed.best, failed.last, failed.seconds) = (None, None, 0.0);
        failed.error = Some("failed to write best.safetensors:\nno space left on device\n".into());
        entries
    }

    #[test]
    fn list_names_runs_their_status_and_failures() {
        insta::assert_snapshot!(list(&report::list(&entries()), true).text(None), @"
        run              status     epochs  best  valid_loss  valid_accuracy        time  reason
        ─────────────────────────────────────────────────────────────────────────────────────────────────────────
        p=0,seed=42-1    completed      20    17      0.4123          0.8969  1 min 15 s
        p=0,seed=43-2    completed      20    17      0.4321          0.8920  1 min 15 s
        p=0.3,seed=42-3  completed      20    17      0.3456          0.9136  1 min 15 s
        p=0.3,seed=43-4  completed      20    17      0.3556          0.9111  1 min 15 s
        p=0.3,seed=44-5  diverged       20    17         NaN             NaN  1 min 15 s
        p=0.5,seed=42-6  failed                                                           no space left on device
        ");
        let mut two = entries();
        two.truncate(2);
        two[1].experiment = "other".into();
        insta::assert_snapshot!(list(&report::list(&two), true).markdown(), @"
        | experiment | run | status | epochs | best | valid_loss | valid_accuracy | time |
        | --- | --- | --- | ---: | ---: | ---: | ---: | ---: |
        | dropout | p=0,seed=42-1 | completed | 20 | 17 | 0.4123 | 0.8969 | 1 min 15 s |
        | other | p=0,seed=43-2 | completed | 20 | 17 | 0.4321 | 0.8920 | 1 min 15 s |
        ");
        assert_eq!(list(&report::list(&[]), true).rows().len(), 0);
    }

    fn compared(test: bool) -> Table {
        let entries = entries();
        let subjects: Vec<Subject<'_>> =
            entries.iter().map(|entry| Subject { entry, config: None }).collect();
        let monitor = Monitor { column: "valid_loss".into(), lower_is_better: true };
        comparison(&report::compare("dropout", &subjects, &monitor, test))
    }

    #[test]
    fn compare_shows_means_over_seeds() {
        insta::assert_snapshot!(compared(false).text(None), @"
        p    n       valid_loss   valid_accuracy   epoch  seconds  failed
        ─────────────────────────────────────────────────────────────────
        0.3  2  0.3506 ± 0.0071  0.9123 ± 0.0018  17 ± 0   75 ± 0       1
        0    2    0.422 ± 0.014  0.8944 ± 0.0035  17 ± 0   75 ± 0       0
        0.5  0                                                          1
        ");
        insta::assert_snapshot!(compared(true).markdown(), @"
        | p | n | test_loss | test_accuracy | valid_loss | valid_accuracy | epoch | seconds | failed |
        | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |
        | 0.3 | 2 | 0.4006 ± 0.0071 | 0.8750 ± 0 | 0.3506 ± 0.0071 | 0.9123 ± 0.0018 | 17 ± 0 | 75 ± 0 | 1 |
        | 0 | 2 | 0.472 ± 0.014 | 0.8750 ± 0 | 0.422 ± 0.014 | 0.8944 ± 0.0035 | 17 ± 0 | 75 ± 0 | 0 |
        | 0.5 | 0 | | | | | | | 1 |
        ");
        insta::assert_snapshot!(compared(false).csv().unwrap(), @"
        p,n,valid_loss,valid_loss_std,valid_accuracy,valid_accuracy_std,epoch,epoch_std,seconds,seconds_std,failed
        0.3,2,0.3506,0.007071067811865481,0.91235,0.001767766952966331,17,0,75,0,1
        0,2,0.4222,0.01400071426749363,0.89445,0.003500178566873417,17,0,75,0,0
        0.5,0,,,,,,,,,1
        ");
    }

    #[test]
    fn diff_has_settings_and_metrics() {
        let (a, b) = (entry("e", "a", 0.0, 1, 0.25), entry("e", "b", 0.5, 1, 0.375));
        let subject = |entry| Subject { entry, config: None };
        let (settings, metrics) = difference(&report::diff(&subject(&a), &subject(&b)));
        insta::assert_snapshot!(settings.text(None), @"
        setting              e/a  e/b
        ─────────────────────────────
        model.regularizer.p  0    0.5
        ");
        insta::assert_snapshot!(metrics.text(None), @"
        metric             e/a      e/b
        ───────────────────────────────
        train_loss       0.125   0.1875
        valid_loss        0.25    0.375
        valid_accuracy  0.9375  0.90625
        test_loss          0.3    0.425
        ");
    }

    #[test]
    fn show_has_facts_settings_and_metrics() {
        let entry = entry("e", "a", 0.25, 1, 0.25);
        let sheet = report::show(&Subject { entry: &entry, config: None });
        insta::assert_snapshot!(facts(&sheet).text(None), @"
        run         e/a
        ────────────────────────────────────────────────
        status      completed
        id          17762fdd
        folder      a
        swept       model.regularizer.p = 0.25, seed = 1
        best epoch  17
        last epoch  20
        samples     1437 train, 360 test
        started     2026-03-01 12:00:00
        time        1 min 15 s
        ");
        insta::assert_snapshot!(settings(&sheet).text(None), @"
        setting              value
        ──────────────────────────
        model.regularizer.p  0.25
        seed                 1
        ");
        insta::assert_snapshot!(metrics(&sheet).text(None), @"
        metric     train   valid    test
        ────────────────────────────────
        loss      0.1250  0.2500  0.3000
        accuracy  0.9900  0.9375  0.8750
        ");
    }
}
