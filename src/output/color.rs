//! Whether and how output is coloured.

use anstyle::{AnsiColor, Style};

use crate::store::Status;

/// `--color`; `NO_COLOR` and `CLICOLOR_FORCE` are obeyed under `auto`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum ColorChoice {
    /// Where the output is a terminal that shows colours.
    #[default]
    Auto,
    /// Everywhere.
    Always,
    /// Nowhere.
    Never,
}

impl ColorChoice {
    /// Makes it the choice of every stream that `anstream` opens from now on.
    pub fn apply(self) {
        self.choice().write_global();
    }

    fn choice(self) -> anstream::ColorChoice {
        match self {
            Self::Auto => anstream::ColorChoice::Auto,
            Self::Always => anstream::ColorChoice::Always,
            Self::Never => anstream::ColorChoice::Never,
        }
    }
}

/// The style of a status; `completed` and `running` are what one expects and have none.
pub fn status(status: Status) -> Style {
    match status {
        Status::Completed | Status::Running => Style::new(),
        Status::Failed => AnsiColor::Red.on_default().bold(),
        Status::Diverged => AnsiColor::Red.on_default(),
        Status::Interrupted | Status::Stopped => AnsiColor::Yellow.on_default(),
    }
}

/// `text` in `style`; the stream that it is written to takes the codes out where there is to be no colour.
pub fn paint(style: Style, text: &str) -> String {
    format!("{style}{text}{style:#}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_went_wrong_stands_out() {
        assert_eq!(paint(status(Status::Completed), "completed"), "completed");
        assert_eq!(paint(status(Status::Diverged), "diverged"), "\u{1b}[31mdiverged\u{1b}[0m");
    }

    #[test]
    fn choices_are_those_of_the_streams() {
        assert_eq!(ColorChoice::default().choice(), anstream::ColorChoice::Auto);
        assert_eq!(ColorChoice::Always.choice(), anstream::ColorChoice::Always);
        assert_eq!(ColorChoice::Never.choice(), anstream::ColorChoice::Never);
    }
}
