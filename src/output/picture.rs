//! Images drawn with letters: no colours and no terminal are needed.

/// From dark to light.
const SHADES: [char; 5] = [' ', '░', '▒', '▓', '█'];
/// A letter is about twice as high as wide, so it stands for two rows of pixels.
const ROWS: usize = 2;
/// Between pictures that stand side by side.
const GAP: usize = 2;

/// An image to draw.
#[derive(Debug, Clone)]
pub struct Picture {
    /// Its lines, all `width` letters long.
    lines: Vec<String>,
    width: usize,
}

impl Picture {
    /// Of values from 0 (dark) to `maximum` in the order `[C, H, W]`, at most `widest` letters wide; channels
    /// are averaged, and what is larger is made smaller.
    pub fn new(values: &[f32], shape: &[usize], maximum: f32, widest: usize) -> Self {
        let &[channels, height, width] = shape else { return Self { lines: Vec::new(), width: 0 } };
        let step = width.div_ceil(widest.max(1)).max(1);
        let light = |row: usize, column: usize| -> f32 {
            let at = |channel: usize| values.get((channel * height + row) * width + column).copied();
            (0..channels).filter_map(at).sum::<f32>() / (channels as f32 * maximum)
        };
        let lines: Vec<String> = (0..height)
            .step_by(ROWS * step)
            .map(|top| {
                let letter = |left: usize| {
                    let rows = top..(top + ROWS * step).min(height);
                    let columns = left..(left + step).min(width);
                    let count = (rows.len() * columns.len()) as f32;
                    let sum: f32 = rows
                        .flat_map(|row| columns.clone().map(move |column| (row, column)))
                        .map(|(row, column)| light(row, column))
                        .sum();
                    SHADES[((sum / count * SHADES.len() as f32) as usize).min(SHADES.len() - 1)]
                };
                (0..width).step_by(step).map(letter).collect()
            })
            .collect();
        Self { lines, width: width.div_ceil(step) }
    }
}

/// Pictures side by side, each with its caption below, as many in a row as `width` letters hold.
pub fn gallery(pictures: &[(Picture, String)], width: usize) -> String {
    let widest = pictures
        .iter()
        .map(|(picture, caption)| picture.width.max(caption.chars().count()))
        .max()
        .unwrap_or(0);
    let columns = ((width + GAP) / (widest + GAP)).max(1);
    let mut text = String::new();
    for row in pictures.chunks(columns) {
        let height = row.iter().map(|(picture, _)| picture.lines.len()).max().unwrap_or(0);
        let empty = String::new();
        for line in 0..=height {
            let pieces: Vec<String> = row
                .iter()
                .map(|(picture, caption)| {
                    let piece =
                        if line == height { caption } else { picture.lines.get(line).unwrap_or(&empty) };
                    format!("{piece:<widest$}")
                })
                .collect();
            text.push_str(pieces.join(&" ".repeat(GAP)).trim_end());
            text.push('\n');
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ramp(side: usize) -> Picture {
        let values: Vec<f32> = (0..side * side).map(|pixel| (pixel % side) as f32).collect();
        Picture::new(&values, &[1, side, side], (side - 1) as f32, 20)
    }

    #[test]
    fn light_pixels_are_full_letters() {
        let text = gallery(&[(ramp(6), "six".to_owned())], 80);
        assert_eq!(text, " ░▒▓██\n ░▒▓██\n ░▒▓██\nsix\n");
    }

    #[test]
    fn large_images_are_made_smaller_and_channels_averaged() {
        let large = ramp(50);
        assert_eq!((large.width, large.lines.len()), (17, 9));
        assert!(large.lines.iter().all(|line| line.chars().count() == 17 && line.ends_with('█')));
        let both = Picture::new(&[0.0, 1.0, 1.0, 1.0], &[2, 1, 2], 1.0, 20);
        assert_eq!(both.lines, ["▒█"]);
    }

    #[test]
    fn pictures_stand_side_by_side_as_far_as_there_is_room() {
        let pictures: Vec<(Picture, String)> = (0..3).map(|row| (ramp(4), format!("row {row}"))).collect();
        assert_eq!(gallery(&pictures, 14), " ░▓█    ░▓█\n ░▓█    ░▓█\nrow 0  row 1\n ░▓█\n ░▓█\nrow 2\n");
        assert_eq!(gallery(&[], 80), "");
    }
}
