//! From the values of a table to the numbers that a model is given.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use super::super::Normalize;
use super::encoding::Encoding;
use super::{Missing, Table, is_missing};
use crate::{Error, Result};

/// The widest row that is believed of a checkpoint.
const WIDEST: usize = 1 << 28;
/// Rows that are encoded together: they stay in the fastest memory while their columns are filled in.
const BLOCK: usize = 64;

/// How rows become vectors: numbers scaled as y = (x − shift) · scale, categories one-hot.
///
/// A column of categories becomes one number for each category that the train part has, in the order of their
/// names, and one more for all others. It is stored in checkpoints as JSON, and what is read back is checked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Stored")]
pub struct TablePreprocessing {
    normalize: Normalize,
    missing: Missing,
    target: String,
    columns: Vec<Encoding>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    normalize: Normalize,
    missing: Missing,
    target: String,
    columns: Vec<Encoding>,
}

impl TryFrom<Stored> for TablePreprocessing {
    type Error = &'static str;

    fn try_from(stored: Stored) -> std::result::Result<Self, &'static str> {
        let Stored { normalize, missing, target, columns } = stored;
        if normalize == Normalize::Unit {
            return Err("the preprocessing of a table cannot be `unit`");
        }
        let mut names: HashSet<&str> = HashSet::from([target.as_str()]);
        if columns.is_empty() || !columns.iter().all(|column| names.insert(column.name())) {
            return Err("the preprocessing needs columns with different names, none of them the target's");
        }
        columns.iter().try_for_each(|column| column.check(missing))?;
        let width = columns.iter().try_fold(0usize, |width, column| width.checked_add(column.width()));
        if width.is_none_or(|width| width > WIDEST) {
            return Err("the preprocessing's rows are wider than any table");
        }
        Ok(Self { normalize, missing, target, columns })
    }
}

impl TablePreprocessing {
    /// Takes the statistics from `rows`, the train part, and from no others; `missing` is the table's.
    ///
    /// # Errors
    /// [`Error::Request`] for a column without any value to fill in, with values that cannot be scaled or with
    /// too many categories, and for missing values that nothing stands in for.
    pub fn fit(table: &Table, rows: &[u32], normalize: Normalize) -> Result<Self> {
        if let Some(row) = rows.iter().find(|row| **row as usize >= table.rows()) {
            return Err(Error::Bug(format!("row {row} was asked for, there are {}", table.rows())));
        }
        if rows.is_empty() {
            return Err(Error::Bug("a preprocessing was fitted on no rows".to_owned()));
        }
        let missing = table.missing();
        let fit = |column| Encoding::fit(column, rows, normalize, missing);
        let columns = table.columns().iter().map(fit).collect::<Result<_>>()?;
        let stored = Stored { normalize, missing, target: table.target().to_owned(), columns };
        Self::try_from(stored).map_err(|reason| Error::Request(reason.into()))
    }

    /// How many numbers a row becomes.
    pub fn width(&self) -> usize {
        self.columns.iter().map(Encoding::width).sum()
    }

    /// The names of the columns that a row has, in order.
    pub fn columns(&self) -> impl ExactSizeIterator<Item = &str> + Clone {
        self.columns.iter().map(Encoding::name)
    }

    /// The name of the column that there is to predict.
    pub fn target(&self) -> &str {
        &self.target
    }

    /// What numbers were scaled by.
    pub fn normalize(&self) -> Normalize {
        self.normalize
    }

    /// All rows, `[rows, width]`; where a value is missing and nothing stands in for it there is a 0.
    ///
    /// # Errors
    /// [`Error::Request`] for a value that is too large once it is scaled.
    pub fn encode(&self, table: &Table) -> Result<Vec<f32>> {
        let columns = table.columns();
        let fits = columns.len() == self.columns.len()
            && columns.iter().zip(&self.columns).all(|(column, encoding)| column.name == encoding.name());
        if !fits {
            return Err(Error::Request("the data has other columns than the model was made for".to_owned()));
        }
        let (rows, width) = (table.rows(), self.width());
        let mut out: Vec<f32> = Vec::new();
        let size = rows.checked_mul(width).filter(|size| out.try_reserve_exact(*size).is_ok());
        let size = size.ok_or_else(|| {
            Error::Environment(format!("there is not enough memory for {rows} rows of {width} numbers"))
        })?;
        out.resize(size, 0.0);
        let codes: Vec<Vec<u32>> =
            columns.iter().zip(&self.columns).map(|(column, encoding)| encoding.positions(column)).collect();
        for (block, out) in out.chunks_mut(BLOCK * width).enumerate() {
            let rows = block * BLOCK..(block * BLOCK + out.len() / width);
            let mut start = 0;
            for ((column, encoding), codes) in columns.iter().zip(&self.columns).zip(&codes) {
                let cells = out[start..].chunks_mut(width);
                encoding.encode_into(column, rows.clone(), codes, cells)?;
                start += encoding.width();
            }
        }
        Ok(out)
    }

    /// One row whose fields stand in the order of [`columns`](Self::columns), as a file has them; `None` is a
    /// missing value.
    ///
    /// # Errors
    /// What is wrong, with the name of the column.
    pub fn encode_fields(&self, row: &[Option<&str>]) -> Result<Vec<f32>, String> {
        if row.len() != self.columns.len() {
            return Err(format!("has {} values where {} belong", row.len(), self.columns.len()));
        }
        let mut out = Vec::with_capacity(self.width());
        for (encoding, field) in self.columns.iter().zip(row) {
            let field = field.map(str::trim).filter(|field| !is_missing(field));
            encoding.encode_field(field, &mut out)?;
        }
        Ok(out)
    }
}

#[cfg(test)]
mod tests {
    use super::super::column::{Column, ColumnValues};
    use super::super::encoding::MOST_CATEGORIES;
    use super::super::statistic::scaling;
    use super::*;

    const NAN: f64 = f64::NAN;
    /// Of the table below.
    const TRAIN: [u32; 6] = [0, 1, 2, 3, 4, 5];

    fn numbers(name: &str, values: &[f64]) -> Column {
        Column { name: name.into(), values: ColumnValues::Numbers(values.to_vec()) }
    }

    fn texts(name: &str, fields: &[&str]) -> Column {
        Column { name: name.into(), values: ColumnValues::categories(fields.iter().copied()) }
    }

    fn table(columns: Vec<Column>, missing: Missing) -> Table {
        Table::new(columns, "y".into(), missing).unwrap()
    }

    fn small(missing: Missing) -> Table {
        let x = numbers("x", &[1.5, NAN, 4.0, 4.0, -2.25, NAN, 10.0, 0.1]);
        let c = texts("c", &["b", "a", "NA", "b", "a", "d", "z", ""]);
        table(vec![x, c], missing)
    }

    fn fitted(missing: Missing, normalize: Normalize) -> TablePreprocessing {
        TablePreprocessing::fit(&small(missing), &TRAIN, normalize).unwrap()
    }

    /// scikit-learn 1.9.1, the first six rows being the train part:
    /// ```python
    /// x = numpy.array([1.5, nan, 4, 4, -2.25, nan, 10, 0.1])[:, None]
    /// for s in "mean", "median", "most_frequent":
    ///     t = SimpleImputer(strategy=s).fit(x[:6]).transform(x)
    ///     print(StandardScaler().fit(t[:6]).transform(t).ravel(), MinMaxScaler().fit(t[:6]).transform(t).ravel())
    /// ```
    #[test]
    fn numbers_are_filled_in_and_scaled_as_scikit_learn_does() {
        let standard = [
            (
                Missing::Mean,
                [-0.149_626_400_416_144_92, 0.0, 1.047_384_802_913_014_6, -1.945_143_205_409_884],
            ),
            (
                Missing::Median,
                [
                    -0.292_770_021_884_559_9,
                    0.292_770_021_884_559_9,
                    0.878_310_065_653_679_8,
                    -2.049_390_153_193_191_9,
                ],
            ),
            (
                Missing::Mode,
                [
                    -0.447_213_595_499_957_9,
                    0.626_099_033_699_941_2,
                    0.626_099_033_699_941_2,
                    -2.057_182_539_299_806,
                ],
            ),
        ];
        let last = [3.920_211_690_902_997, 3.688_902_275_745_455, 3.202_049_343_779_699_5];
        let ranged = [0.65, 0.8, 1.0];
        for (((missing, wanted), last), ranged) in standard.into_iter().zip(last).zip(ranged) {
            let encode = |normalize| {
                let encoded = fitted(missing, normalize).encode(&small(missing)).unwrap();
                encoded.chunks(5).map(|row| f64::from(row[0])).collect::<Vec<f64>>()
            };
            let found = encode(Normalize::Standardize);
            let wanted = [wanted[0], wanted[1], wanted[2], wanted[2], wanted[3], wanted[1], last];
            for (found, wanted) in found.iter().zip(wanted) {
                assert!((found - wanted).abs() < 1e-6, "{missing:?}: {found} and not {wanted}");
            }
            let found = encode(Normalize::MinMax);
            for (found, wanted) in found.iter().zip([0.6, ranged, 1.0, 1.0, 0.0, ranged, 1.96, 0.376]) {
                assert!((found - wanted).abs() < 1e-6, "{missing:?}: {found} and not {wanted}");
            }
        }
    }

    /// scikit-learn 1.9.1:
    /// ```python
    /// x = 1e9 + numpy.array([.1, .2, .4, .7])[:, None]; s = StandardScaler().fit(x); print(s.mean_, s.scale_)
    /// ```
    #[test]
    fn statistics_hold_far_from_zero() {
        let values: Vec<f64> = [0.1, 0.2, 0.4, 0.7].iter().map(|x| 1e9 + x).collect();
        let (shift, scale) = scaling(&values, Normalize::Standardize);
        assert!((shift - 1_000_000_000.350_000_1).abs() < 2e-7, "{shift}");
        assert!((1.0 / scale - 0.229_128_787_349_153_82).abs() < 1e-12, "{}", 1.0 / scale);
        assert_eq!(scaling(&[7.5; 3], Normalize::Standardize), (7.5, 1.0));
        assert_eq!(scaling(&[7.5; 3], Normalize::MinMax), (7.5, 1.0));
    }

    /// scikit-learn 1.9.1: `OneHotEncoder(handle_unknown="ignore")` with one more column where all others are 0, and
    /// `SimpleImputer(strategy="most_frequent")`, which takes the first of equally frequent ones.
    #[test]
    fn categories_have_a_place_each_and_one_for_all_others() {
        let fitted = fitted(Missing::Mode, Normalize::None);
        assert_eq!((fitted.width(), fitted.columns().collect::<Vec<_>>()), (5, vec!["x", "c"]));
        let encoded = fitted.encode(&small(Missing::Mode)).unwrap();
        let rows: Vec<&[f32]> = encoded.chunks(5).map(|row| &row[1..]).collect();
        let (a, b, d, other) =
            ([1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0], [0.0, 0.0, 0.0, 1.0]);
        assert_eq!(rows, [b, a, a, b, a, d, other, a]);
    }

    #[test]
    fn a_row_of_a_file_gets_the_same_bits() {
        for missing in [Missing::Mean, Missing::Median, Missing::Mode] {
            let fitted = fitted(missing, Normalize::Standardize);
            let encoded = fitted.encode(&small(missing)).unwrap();
            let row = |x: &str, c: &str| fitted.encode_fields(&[Some(x), Some(c)]).unwrap();
            assert_eq!(row("1.5", "b"), encoded[..5]);
            assert_eq!(row(" ? ", " a"), encoded[5..10]);
            assert_eq!(row("10", "somewhere"), encoded[30..35]);
            assert_eq!(fitted.encode_fields(&[Some("0.1"), None]).unwrap(), encoded[35..]);
        }
        let fitted = fitted(Missing::Mean, Normalize::Standardize);
        let refused = |x: &str| fitted.encode_fields(&[Some(x), Some("a")]).unwrap_err();
        assert_eq!(refused("many"), "has \"many\" in column \"x\", which is not a finite number");
        assert!(refused("inf").contains("not a finite number") && refused("1e300").contains("too large"));
        let whole = table(vec![numbers("x", &[1.0, 2.0]), texts("c", &["a", "b"])], Missing::Drop);
        let fitted = TablePreprocessing::fit(&whole, &[0, 1], Normalize::None).unwrap();
        let error = fitted.encode_fields(&[None, Some("a")]).unwrap_err();
        assert!(error.contains("has no value in column \"x\""), "{error}");
        assert!(fitted.encode_fields(&[None, Some("a")]).is_err() && fitted.encode_fields(&[None]).is_err());
    }

    #[test]
    fn nothing_is_fitted_outside_the_train_part() {
        let with = |last: f64, text: &str| {
            table(
                vec![numbers("x", &[1.0, 2.0, 4.0, last]), texts("c", &["a", "b", "a", text])],
                Missing::Mean,
            )
        };
        let fit = |table: &Table| TablePreprocessing::fit(table, &[0, 1, 2], Normalize::Standardize).unwrap();
        let (one, other) = (with(1e6, "c"), with(f64::NAN, "a"));
        assert_eq!(fit(&one), fit(&other));
        assert_eq!(fit(&one).encode(&one).unwrap()[..12], fit(&other).encode(&other).unwrap()[..12]);
    }

    #[test]
    fn rows_beyond_one_block_are_where_they_belong() {
        let count = 3 * BLOCK + 7;
        let values: Vec<f64> = (0..count).map(|row| row as f64).collect();
        let fields: Vec<String> = (0..count).map(|row| (row % 3).to_string()).collect();
        let fields: Vec<&str> = fields.iter().map(String::as_str).collect();
        let columns = vec![texts("c", &fields), numbers("x", &values)];
        let table = table(columns, Missing::Error);
        let rows: Vec<u32> = (0..count as u32).collect();
        let fitted = TablePreprocessing::fit(&table, &rows, Normalize::None).unwrap();
        for (row, encoded) in fitted.encode(&table).unwrap().chunks(5).enumerate() {
            let mut wanted = [0.0, 0.0, 0.0, 0.0, row as f32];
            wanted[row % 3] = 1.0;
            assert_eq!(encoded, wanted);
        }
    }

    #[test]
    fn what_cannot_be_fitted_is_refused_with_its_column() {
        let refused = |columns: Vec<Column>, rows: &[u32], missing| {
            let table = table(columns, missing);
            TablePreprocessing::fit(&table, rows, Normalize::Standardize).unwrap_err().to_string()
        };
        let x = || vec![numbers("x", &[NAN, NAN, 1.0])];
        assert!(
            refused(x(), &[0, 1], Missing::Mean).starts_with("column \"x\" has no value in the train part")
        );
        let c = vec![texts("c", &["", "?", "a"])];
        assert!(refused(c, &[0, 1], Missing::Mode).starts_with("column \"c\" has no value"));
        assert!(refused(x(), &[0, 2], Missing::Error).starts_with("1 of the 2 values of column \"x\""));
        let large = vec![numbers("x", &[-1e308, 1e308, 1e308])];
        assert!(refused(large, &[0, 1, 2], Missing::Error).contains("too large or too close"));
        let close = vec![numbers("x", &[0.0, 5e-324])];
        assert!(refused(close, &[0, 1], Missing::Error).contains("too large or too close"));
        let names: Vec<String> = (0..=MOST_CATEGORIES).map(|name| name.to_string()).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let rows: Vec<u32> = (0..names.len() as u32).collect();
        assert!(refused(vec![texts("c", &names)], &rows, Missing::Error).contains("10001 different texts"));
    }

    #[test]
    fn other_columns_and_values_too_large_are_refused() {
        let fitted = fitted(Missing::Mean, Normalize::MinMax);
        let other = table(vec![numbers("z", &[1.0]), texts("c", &["a"])], Missing::Mean);
        assert!(fitted.encode(&other).unwrap_err().to_string().contains("other columns"));
        let swapped = table(vec![texts("x", &["a"]), texts("c", &["a"])], Missing::Mean);
        assert!(fitted.encode(&swapped).unwrap_err().to_string().contains("\"x\" holds numbers in one"));
        let large = table(vec![numbers("x", &[1e300]), texts("c", &["a"])], Missing::Mean);
        assert!(fitted.encode(&large).unwrap_err().to_string().starts_with("column \"x\": "));
    }

    #[test]
    fn json_reads_back_exactly_and_damage_is_refused() {
        let fitted = fitted(Missing::Mean, Normalize::Standardize);
        let text = serde_json::to_string(&fitted).unwrap();
        assert_eq!(serde_json::from_str::<TablePreprocessing>(&text).unwrap(), fitted);
        for (old, new) in [
            ("\"standardize\"", "\"unit\""),
            ("\"mean\"", "\"drop\""),
            ("\"mean\"", "\"guess\""),
            ("\"y\"", "\"x\""),
            ("\"name\":\"c\"", "\"name\":\"x\""),
            ("\"shift\":1.8125", "\"shift\":null"),
            ("\"shift\":1.8125", "\"shift\":1e999"),
            ("\"fill\":1.8125", "\"fill\":null"),
            ("\"fill\":0", "\"fill\":3"),
            ("\"fill\":0", "\"fill\":-1"),
            ("[\"a\",\"b\",\"d\"]", "[]"),
            ("[\"a\",\"b\",\"d\"]", "[\"b\",\"a\",\"d\"]"),
            ("[\"a\",\"b\",\"d\"]", "[\"a\",\"a\",\"d\"]"),
            ("\"scale\"", "\"scales\""),
        ] {
            assert!(text.contains(old), "{old} is not in {text}");
            let damaged = text.replacen(old, new, 1);
            assert!(serde_json::from_str::<TablePreprocessing>(&damaged).is_err(), "{damaged}");
        }
        let empty = r#"{"normalize":"none","missing":"error","target":"y","columns":[]}"#;
        assert!(serde_json::from_str::<TablePreprocessing>(empty).is_err());
    }
}
