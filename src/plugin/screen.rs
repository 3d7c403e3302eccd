//! A page that is shown anew whenever it changes: in its place on a terminal, below the one before elsewhere.

use std::io;

use jiff::Timestamp;
use terminal_size::{Height, terminal_size_of};

use super::printer::Printer;

/// The other screen, so that what stands on this one is kept; lines are cut, and no cursor blinks.
const OPEN: &str = "\x1b[?1049h\x1b[?7l\x1b[?25l";
const CLOSE: &str = "\x1b[?25h\x1b[?7h\x1b[?1049l";

/// The page as it was shown last.
#[derive(Debug, Default)]
pub(super) struct Screen {
    shown: Vec<String>,
}

impl Screen {
    pub(super) fn open(printer: &mut Printer<'_>) -> io::Result<Self> {
        if printer.terminal {
            printer.draw(OPEN)?;
        }
        Ok(Self::default())
    }

    /// Shows the page, unless it is there.
    pub(super) fn show(&mut self, page: Vec<String>, printer: &mut Printer<'_>) -> io::Result<()> {
        if page == self.shown {
            return Ok(());
        }
        self.shown = page;
        if printer.terminal {
            return self.again(printer);
        }
        printer.line(&format!("--- {}", Timestamp::now().strftime("%H:%M:%SZ")))?;
        self.shown.iter().try_for_each(|line| printer.line(line))
    }

    /// Draws the page again: the window has another size.
    pub(super) fn again(&self, printer: &mut Printer<'_>) -> io::Result<()> {
        let height = terminal_size_of(io::stdout()).map_or(24, |(_, Height(height))| height);
        printer.draw(&frame(&self.shown, height.into()))
    }

    /// Leaves the last page where the shell goes on.
    pub(super) fn close(self, printer: &mut Printer<'_>) -> io::Result<()> {
        if !printer.terminal {
            return Ok(());
        }
        printer.draw(CLOSE)?;
        self.shown.iter().try_for_each(|line| printer.line(line))
    }
}

/// Writes over what is there, so that nothing flickers, as many lines as there is room for.
fn frame(page: &[String], height: usize) -> String {
    let fits = if page.len() > height { height.saturating_sub(1) } else { page.len() };
    let mut lines: Vec<_> = page[..fits].to_vec();
    if fits < page.len() {
        lines.push(format!("... {} more lines: a higher window shows them", page.len() - fits));
    }
    format!("\x1b[H{}\x1b[K\x1b[J", lines.join("\x1b[K\n"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plugin::cli::Format;

    fn lines(lines: &[&str]) -> Vec<String> {
        lines.iter().map(|line| (*line).to_owned()).collect()
    }

    #[test]
    fn a_page_is_cut_to_the_window_and_says_so() {
        let page = lines(&["one", "two", "three"]);
        assert_eq!(frame(&page, 3), "\x1b[Hone\x1b[K\ntwo\x1b[K\nthree\x1b[K\x1b[J");
        let cut = frame(&page, 2);
        assert!(cut.contains("one") && !cut.contains("two") && cut.contains("2 more lines"), "{cut}");
        assert_eq!(cut.matches('\n').count(), 1, "nothing scrolls");
    }

    #[test]
    fn elsewhere_each_page_is_shown_once_below_the_one_before() {
        let (mut out, mut notes) = (Vec::new(), Vec::new());
        let mut printer = Printer::new(&mut out, &mut notes, Format::Table);
        let mut screen = Screen::open(&mut printer).unwrap();
        for page in [&["a"], &["a"], &["b"]] {
            screen.show(lines(page), &mut printer).unwrap();
        }
        screen.close(&mut printer).unwrap();
        let out = String::from_utf8(out).unwrap();
        let told: Vec<_> = out.lines().filter(|line| !line.starts_with("--- ")).collect();
        assert_eq!((told, out.lines().count()), (vec!["a", "b"], 4), "{out}");
        assert!(!out.contains('\x1b'), "{out}");
    }

    #[test]
    fn a_terminal_gets_its_screen_back_with_the_last_page_on_it() {
        let (mut out, mut notes) = (Vec::new(), Vec::new());
        let mut printer = Printer::new(&mut out, &mut notes, Format::Table).on_terminal(true);
        let mut screen = Screen::open(&mut printer).unwrap();
        screen.show(lines(&["a"]), &mut printer).unwrap();
        screen.close(&mut printer).unwrap();
        let out = String::from_utf8(out).unwrap();
        assert!(out.starts_with(OPEN) && out.ends_with(&format!("{CLOSE}a\n")), "{out:?}");
    }
}
