//! How a table gets into a terminal that is narrower than it is.
//!
//! Numbers stay whole. Sentences go over several lines, and a word that stands alone, a name, loses its middle.
//! Where that is not enough columns are left out from the right, numbers first, and named.

use textwrap::core::display_width;

/// Between two columns.
pub const GAP: usize = 2;
/// Columns that texts are not cut below.
const SHORTEST: usize = 12;

/// What is known of a column.
pub struct Extent {
    /// What the widest cell takes, or the heading.
    pub natural: usize,
    /// Whether its cells may be cut and wrapped.
    pub is_text: bool,
}

/// The columns that fit into `width`, each with how much of it it gets.
pub fn widths(extents: &[Extent], width: usize) -> Vec<(usize, usize)> {
    let mut chosen: Vec<usize> = (0..extents.len()).collect();
    let least = |index: &usize| {
        let Extent { natural, is_text } = extents[*index];
        if is_text { natural.min(SHORTEST) } else { natural }
    };
    let taken = |chosen: &[usize], each: &dyn Fn(&usize) -> usize| {
        chosen.iter().map(each).sum::<usize>() + GAP * chosen.len().saturating_sub(1)
    };
    while chosen.len() > 1 && taken(&chosen, &least) > width {
        // The first number of a row tells the most.
        let numbers = chosen.iter().filter(|index| !extents[**index].is_text).count();
        let goes = chosen.iter().rposition(|index| numbers < 2 || !extents[*index].is_text);
        chosen.remove(goes.unwrap_or(chosen.len() - 1));
    }
    let mut left = width.saturating_sub(taken(&chosen, &least));
    let mut given: Vec<(usize, usize)> = chosen.iter().map(|index| (*index, least(index))).collect();
    // What is left goes to the narrowest of those that want more, a column of it at a time.
    while left > 0 {
        let wanting = given.iter_mut().filter(|(index, width)| *width < extents[*index].natural);
        let Some((_, width)) = wanting.min_by_key(|(_, width)| *width) else { break };
        *width += 1;
        left -= 1;
    }
    given
}

/// A cell's text, without its middle if it is a single word that is too wide.
pub fn within(text: &str, width: usize) -> String {
    if display_width(text) <= width || text.contains(' ') {
        return text.to_owned();
    }
    let head = front(text.chars(), width.saturating_sub(1).div_ceil(2));
    let tail = front(text.chars().rev(), width.saturating_sub(1) / 2);
    head.into_iter().chain(['…']).chain(tail.into_iter().rev()).collect()
}

/// The first letters that together are no wider than `width`.
fn front(letters: impl Iterator<Item = char>, width: usize) -> Vec<char> {
    let mut taken = 0;
    letters
        .take_while(|letter| {
            taken += display_width(letter.encode_utf8(&mut [0; 4]));
            taken <= width
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(extents: &[(usize, bool)], width: usize) -> Vec<(usize, usize)> {
        let extents: Vec<Extent> = extents
            .iter()
            .map(|(natural, is_text)| Extent { natural: *natural, is_text: *is_text })
            .collect();
        widths(&extents, width)
    }

    #[test]
    fn texts_give_way_before_numbers_go_and_a_number_stays() {
        assert_eq!(found(&[(5, true), (8, false)], 15), [(0, 5), (1, 8)]);
        assert_eq!(found(&[(40, true), (8, false), (30, true)], 52), [(0, 20), (1, 8), (2, 20)]);
        assert_eq!(found(&[(40, true), (8, false), (20, true)], 62), [(0, 30), (1, 8), (2, 20)]);
        assert_eq!(found(&[(40, true), (8, false), (9, false), (30, true)], 36), [(0, 12), (1, 8), (3, 12)]);
        assert_eq!(found(&[(40, true), (8, false), (9, false), (30, true)], 24), [(0, 14), (1, 8)]);
        assert_eq!(found(&[(50, false)], 10), [(0, 50)]);
        assert_eq!(found(&[], 10), []);
    }

    #[test]
    fn long_names_lose_their_middle() {
        assert_eq!(within("sentences of several words stay", 6), "sentences of several words stay");
        assert_eq!(within("optimizer=sgd,lr=0.1-1f3a9c2e", 12), "optimi…a9c2e");
        assert_eq!(within("확률적경사하강", 7), "확…강");
        assert_eq!(within("abc", 0), "…");
    }
}
