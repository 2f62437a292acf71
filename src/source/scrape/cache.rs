//! What a target's last page held, so that its next one need not be read label by label.
//!
//! A page repeats itself: the same series, byte for byte and in the same order, visit after visit. Each series' text is
//! parsed and matched once; afterwards it is recognised by its bytes, first where it stood the last time.

use super::exposition::page::{Framing, Scanner};
use super::exposition::protobuf;
use super::halves::Halves;
use super::known::KnownSeries;
use super::native::NativeCache;
use super::reader::PageReader;
use super::rules::{PageError, PageRules};
use crate::domain::labels::Labels;
use crate::domain::reading::Page;
use crate::domain::selection::Selection;

/// How selectors see the series of one target.
#[derive(Clone, Debug, Default)]
pub struct SeriesView {
    /// The target's labels.
    pub target: Labels,
    /// The page's labels win over the target's.
    pub honor_labels: bool,
}

impl SeriesView {
    /// The labels of a series as selectors see them.
    pub fn labels(&self, own: &Labels) -> Labels {
        own.with_target(&self.target, self.honor_labels)
    }
}

/// The series of one target's last page. It never holds more than one page does.
#[derive(Debug, Default)]
pub struct SeriesCache {
    /// What becomes of the page's series before selectors see them.
    pub(super) rules: PageRules,
    /// The selection that the series were matched against.
    revision: Option<u64>,
    pub(super) known: KnownSeries,
    /// The number of the present page.
    pub(super) page: u32,
    /// Histograms of which nothing else is kept.
    pub(super) halves: Halves,
    /// Native histograms have no text.
    pub(super) native: NativeCache,
}

impl SeriesCache {
    /// A cache for pages of a target with these rules.
    pub fn new(rules: PageRules) -> Self {
        Self {
            rules,
            ..Self::default()
        }
    }

    /// Begins to read a page of text that comes in pieces.
    pub fn begin<'a>(
        &'a mut self,
        framing: Framing,
        selection: &'a Selection,
        view: &'a SeriesView,
    ) -> PageInPieces<'a> {
        self.begin_with(PageScanner::Text(Scanner::new(framing)), selection, view)
    }

    /// Begins to read a page in the protobuf format that comes in pieces.
    pub fn begin_protobuf<'a>(&'a mut self, selection: &'a Selection, view: &'a SeriesView) -> PageInPieces<'a> {
        self.begin_with(PageScanner::Protobuf(protobuf::Scanner::default()), selection, view)
    }

    fn begin_with<'a>(
        &'a mut self,
        scanner: PageScanner,
        selection: &'a Selection,
        view: &'a SeriesView,
    ) -> PageInPieces<'a> {
        self.native.begin_page(self.revision != Some(selection.revision()));
        if self.revision != Some(selection.revision()) {
            (self.known, self.halves) = (KnownSeries::default(), Halves::default());
            self.revision = Some(selection.revision());
        }
        self.page = self.page.wrapping_add(1);
        self.halves.begin_page();
        let place = match scanner {
            PageScanner::Text(_) => "line",
            PageScanner::Protobuf(_) => "byte",
        };
        PageInPieces {
            scanner,
            reader: PageReader::new(self, selection, view, place),
            bytes: 0,
        }
    }

    /// Reads a whole page.
    pub fn read(
        &mut self,
        text: &str,
        framing: Framing,
        selection: &Selection,
        view: &SeriesView,
    ) -> Result<Page, PageError> {
        let mut page = self.begin(framing, selection, view);
        page.feed(text.as_bytes())?;
        page.finish()
    }

    /// Reads a whole page in the protobuf format.
    pub fn read_protobuf(&mut self, bytes: &[u8], selection: &Selection, view: &SeriesView) -> Result<Page, PageError> {
        let mut page = self.begin_protobuf(selection, view);
        page.feed(bytes)?;
        page.finish()
    }

    /// How many series are remembered.
    pub fn len(&self) -> usize {
        self.known.len()
    }

    /// None is.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// What reads a page, by its format.
#[derive(Debug)]
enum PageScanner {
    Text(Scanner),
    Protobuf(protobuf::Scanner),
}

/// A page that is being read. If it is given up half way nothing of it counts, and the cache is as it was.
#[derive(Debug)]
pub struct PageInPieces<'a> {
    scanner: PageScanner,
    reader: PageReader<'a>,
    bytes: u64,
}

impl PageInPieces<'_> {
    /// Reads the next piece; after an error the page is lost.
    pub fn feed(&mut self, piece: &[u8]) -> Result<(), PageError> {
        self.bytes += piece.len() as u64;
        let scanned = match &mut self.scanner {
            PageScanner::Text(scanner) => scanner.feed(piece, &mut self.reader).map_err(PageError::from),
            PageScanner::Protobuf(scanner) => scanner.feed(piece, &mut self.reader).map_err(PageError::from),
        };
        scanned.map_err(|error| self.reader.reason(error))
    }

    /// What the page gave.
    pub fn finish(mut self) -> Result<Page, PageError> {
        let scanned = match &mut self.scanner {
            PageScanner::Text(scanner) => scanner.finish(&mut self.reader).map_err(PageError::from),
            PageScanner::Protobuf(scanner) => scanner.finish().map_err(PageError::from),
        };
        let samples = scanned.map_err(|error| self.reader.reason(error))?;
        self.reader.finish(samples, self.bytes)
    }
}
