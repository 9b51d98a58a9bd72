//! What a model is to learn from a sample: the ground that data, losses and metrics stand on together.

use crate::{Error, Result};

/// What sort of thing there is to predict: losses and metrics are chosen by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TaskKind {
    /// Classes.
    Classification,
    /// Numbers.
    Regression,
}

/// What there is to predict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Task {
    /// One of so many classes.
    Classification {
        /// How many there are.
        classes: usize,
    },
    /// A number.
    Regression,
}

impl Task {
    /// Without the number of classes.
    pub fn kind(self) -> TaskKind {
        match self {
            Self::Classification { .. } => TaskKind::Classification,
            Self::Regression => TaskKind::Regression,
        }
    }
}

/// The target of one sample.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Target {
    /// The position of its class among the classes.
    Class(u32),
    /// Its number.
    Value(f32),
}

/// The targets of samples, in their order.
#[derive(Debug, Clone, PartialEq)]
pub enum Targets {
    /// The position of each sample's class among the classes.
    Classes(Vec<u32>),
    /// Each sample's number, in the unit of the source.
    Values(Vec<f32>),
}

impl Targets {
    /// How many samples there are.
    pub fn len(&self) -> usize {
        match self {
            Self::Classes(classes) => classes.len(),
            Self::Values(values) => values.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The classes.
    ///
    /// # Errors
    /// [`Error::Bug`] where the targets are numbers: losses and metrics are held to the task before training.
    pub fn classes(&self) -> Result<&[u32]> {
        match self {
            Self::Classes(classes) => Ok(classes),
            Self::Values(_) => Err(Error::Bug("classes were asked for where the targets are numbers".into())),
        }
    }

    /// The numbers.
    ///
    /// # Errors
    /// [`Error::Bug`] where the targets are classes.
    pub fn values(&self) -> Result<&[f32]> {
        match self {
            Self::Values(values) => Ok(values),
            Self::Classes(_) => {
                Err(Error::Bug("numbers were asked for where the targets are classes".into()))
            }
        }
    }

    /// Those of samples in their order, which are all of the sort of `task`.
    ///
    /// # Errors
    /// [`Error::Bug`] if one is of the other sort.
    pub fn of(task: Task, targets: impl IntoIterator<Item = Target>) -> Result<Self> {
        let wrong = || Error::Bug("a target of the wrong sort".into());
        match task.kind() {
            TaskKind::Classification => {
                let class = |target| if let Target::Class(class) = target { Ok(class) } else { Err(wrong()) };
                targets.into_iter().map(class).collect::<Result<_>>().map(Self::Classes)
            }
            TaskKind::Regression => {
                let value = |target| if let Target::Value(value) = target { Ok(value) } else { Err(wrong()) };
                targets.into_iter().map(value).collect::<Result<_>>().map(Self::Values)
            }
        }
    }

    /// No targets, of the same sort.
    #[must_use]
    pub fn none(&self) -> Self {
        match self {
            Self::Classes(_) => Self::Classes(Vec::new()),
            Self::Values(_) => Self::Values(Vec::new()),
        }
    }

    /// Puts those of more samples behind.
    ///
    /// # Errors
    /// [`Error::Bug`] if they are of the other sort.
    pub fn extend(&mut self, more: &Self) -> Result<()> {
        match self {
            Self::Classes(classes) => classes.extend_from_slice(more.classes()?),
            Self::Values(values) => values.extend_from_slice(more.values()?),
        }
        Ok(())
    }

    /// Those at `rows`, in that order.
    ///
    /// # Errors
    /// [`Error::Bug`] if there is no such row.
    pub fn at(&self, rows: &[u32]) -> Result<Self> {
        fn pick<T: Copy>(all: &[T], rows: &[u32]) -> Result<Vec<T>> {
            let one = |row: &u32| {
                let found = all.get(*row as usize).copied();
                found.ok_or_else(|| Error::Bug(format!("row {row} was asked for, there are {}", all.len())))
            };
            rows.iter().map(one).collect()
        }
        match self {
            Self::Classes(classes) => pick(classes, rows).map(Self::Classes),
            Self::Values(values) => pick(values, rows).map(Self::Values),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_picked_in_order_and_sorts_do_not_mix() {
        let classes = Targets::Classes(vec![4, 5, 6]);
        assert_eq!(classes.at(&[2, 0, 2]).unwrap(), Targets::Classes(vec![6, 4, 6]));
        assert!(classes.at(&[3]).is_err());
        let mut values = Targets::Values(vec![0.5]);
        assert!(values.extend(&classes).is_err() && values.classes().is_err() && classes.values().is_err());
        values.extend(&Targets::Values(vec![1.5])).unwrap();
        assert_eq!(values.values().unwrap(), [0.5, 1.5]);
        assert!(values.none().is_empty() && values.len() == 2);
    }
}
