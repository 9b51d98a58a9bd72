//! What `runner data fetch` does, while it does it: a line a file, and on a terminal a bar for the one on its way.

use indicatif::{DecimalBytes, ProgressBar};

use super::Progress;
use super::progress::style;
use crate::data::fetch::Event;

/// The display of one fetch.
#[derive(Debug)]
pub struct FetchProgress {
    progress: Progress,
    bar: Option<ProgressBar>,
}

impl FetchProgress {
    /// On standard error.
    pub fn stderr(quiet: bool) -> Self {
        Self::on_display(Progress::stderr(1, quiet))
    }

    fn on_display(progress: Progress) -> Self {
        Self { progress, bar: None }
    }

    /// Shows an event.
    pub fn on(&mut self, event: &Event<'_>) {
        match *event {
            Event::Advanced { bytes } => {
                if let Some(bar) = &self.bar {
                    bar.set_position(bytes);
                }
            }
            Event::Started { file, bytes, total } => self.start(file, bytes, total),
            Event::Waiting => self.say("waiting for another process that fetches into the same folder"),
            Event::Kept { file, unpacked: false } => self.say(&format!("{file}  is there already")),
            Event::Kept { file, unpacked: true } => {
                self.say(&format!("{file}  is there already, unpacked, and was not checked"));
            }
            Event::Damaged { file, md5 } => {
                let text = "is there, but is not the published file and will be replaced";
                self.say(&format!("{file}  {text} (its MD5 sum is {md5})"));
            }
            Event::Refused { url, reason } => self.say(&format!("{url}: {reason}; asking the next mirror")),
            Event::Fetched { file, bytes } => {
                self.say(&format!("{file}  fetched and checked, {}", DecimalBytes(bytes)));
            }
        }
    }

    /// Takes the bar away and ends with `text`.
    pub fn finish(mut self, text: &str) {
        self.say(text);
        self.progress.finish();
    }

    fn start(&mut self, file: &str, bytes: u64, total: Option<u64>) {
        self.clear();
        if bytes > 0 {
            self.progress.say(&format!("{file}  goes on behind {}", DecimalBytes(bytes)));
        }
        let (length, template) = match total {
            Some(_) => {
                (total, "{bar:16} {decimal_bytes}/{decimal_total_bytes}  {decimal_bytes_per_sec}  {msg}")
            }
            None => (None, "{decimal_bytes}  {decimal_bytes_per_sec}  {msg}"),
        };
        let bar = ProgressBar::with_draw_target(length, indicatif::ProgressDrawTarget::hidden());
        let bar = bar.with_style(style(template)).with_message(file.to_owned()).with_position(bytes);
        // What was there from earlier took no time now.
        bar.reset_eta();
        self.bar = self.progress.add(bar);
    }

    /// A line, without the bar of a file that is no longer on its way.
    fn say(&mut self, text: &str) {
        self.clear();
        self.progress.say(text);
    }

    fn clear(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }
}

impl Drop for FetchProgress {
    fn drop(&mut self) {
        self.clear();
        self.progress.finish();
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    use indicatif::ProgressDrawTarget;

    use super::*;

    #[derive(Clone, Default)]
    struct Screen(Arc<Mutex<Vec<u8>>>);

    impl Write for Screen {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    const EVENTS: [Event<'static>; 9] = [
        Event::Waiting,
        Event::Kept { file: "a.gz", unpacked: false },
        Event::Kept { file: "b.gz", unpacked: true },
        Event::Damaged { file: "c.gz", md5: "4911e516e5aa21d327512e0c8b197616" },
        Event::Started { file: "c.gz", bytes: 0, total: None },
        Event::Advanced { bytes: 1_000_000 },
        Event::Refused { url: "https://a.org/c.gz", reason: "broke off behind 1000000 bytes" },
        Event::Started { file: "c.gz", bytes: 1_000_000, total: Some(9_912_422) },
        Event::Advanced { bytes: 2_500_000 },
    ];
    const END: Event<'static> = Event::Fetched { file: "c.gz", bytes: 9_912_422 };

    #[test]
    fn without_a_terminal_there_are_lines_and_no_bars() {
        let screen = Screen::default();
        let mut fetch = FetchProgress::on_display(Progress::lines(Box::new(screen.clone()), false));
        for event in EVENTS.iter().chain([&END]) {
            fetch.on(event);
        }
        assert!(fetch.bar.is_none());
        fetch.finish("mnist is in /cache");
        let text = String::from_utf8(screen.0.lock().unwrap().clone()).unwrap();
        insta::assert_snapshot!(text, @"
        waiting for another process that fetches into the same folder
        a.gz  is there already
        b.gz  is there already, unpacked, and was not checked
        c.gz  is there, but is not the published file and will be replaced (its MD5 sum is 4911e516e5aa21d327512e0c8b197616)
        https://a.org/c.gz: broke off behind 1000000 bytes; asking the next mirror
        c.gz  goes on behind 1.00 MB
        c.gz  fetched and checked, 9.91 MB
        mnist is in /cache
        ");
    }

    #[test]
    fn on_a_terminal_a_bar_shows_how_much_of_a_file_is_there() {
        let mut fetch = FetchProgress::on_display(Progress::bars(ProgressDrawTarget::hidden(), 1));
        for event in &EVENTS {
            fetch.on(event);
        }
        let bar = fetch.bar.clone().unwrap();
        assert_eq!((bar.position(), bar.length()), (2_500_000, Some(9_912_422)));
        fetch.on(&END);
        assert!(fetch.bar.is_none() && bar.is_finished());
    }

    #[test]
    fn quiet_says_nothing() {
        let screen = Screen::default();
        let mut fetch = FetchProgress::on_display(Progress::lines(Box::new(screen.clone()), true));
        for event in EVENTS.iter().chain([&END]) {
            fetch.on(event);
        }
        fetch.finish("mnist is in /cache");
        assert!(screen.0.lock().unwrap().is_empty());
    }
}
