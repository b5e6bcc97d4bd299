//! The arithmetic encoder that H.264 and H.265 share (ITU-T H.264 9.3.4.2), for the few symbols
//! that are written at run time: "nothing changed here". Residuals are never coded here.

use super::bits::BitWriter;

/// Range of the less probable symbol, by state and by quarter of the range (table 9-44).
const RANGE_LPS: [[u32; 4]; 64] = [
    [128, 176, 208, 240],
    [128, 167, 197, 227],
    [128, 158, 187, 216],
    [123, 150, 178, 205],
    [116, 142, 169, 195],
    [111, 135, 160, 185],
    [105, 128, 152, 175],
    [100, 122, 144, 166],
    [95, 116, 137, 158],
    [90, 110, 130, 150],
    [85, 104, 123, 142],
    [81, 99, 117, 135],
    [77, 94, 111, 128],
    [73, 89, 105, 122],
    [69, 85, 100, 116],
    [66, 80, 95, 110],
    [62, 76, 90, 104],
    [59, 72, 86, 99],
    [56, 69, 81, 94],
    [53, 65, 77, 89],
    [51, 62, 73, 85],
    [48, 59, 69, 80],
    [46, 56, 66, 76],
    [43, 53, 63, 72],
    [41, 50, 59, 69],
    [39, 48, 56, 65],
    [37, 45, 54, 62],
    [35, 43, 51, 59],
    [33, 41, 48, 56],
    [32, 39, 46, 53],
    [30, 37, 43, 50],
    [29, 35, 41, 48],
    [27, 33, 39, 45],
    [26, 31, 37, 43],
    [24, 30, 35, 41],
    [23, 28, 33, 39],
    [22, 27, 32, 37],
    [21, 26, 30, 35],
    [20, 24, 29, 33],
    [19, 23, 27, 31],
    [18, 22, 26, 30],
    [17, 21, 25, 28],
    [16, 20, 23, 27],
    [15, 19, 22, 25],
    [14, 18, 21, 24],
    [14, 17, 20, 23],
    [13, 16, 19, 22],
    [12, 15, 18, 21],
    [12, 14, 17, 20],
    [11, 14, 16, 19],
    [11, 13, 15, 18],
    [10, 12, 15, 17],
    [10, 12, 14, 16],
    [9, 11, 13, 15],
    [9, 11, 12, 14],
    [8, 10, 12, 14],
    [8, 9, 11, 13],
    [7, 9, 11, 12],
    [7, 9, 10, 12],
    [7, 8, 10, 11],
    [6, 8, 9, 11],
    [6, 7, 9, 10],
    [6, 7, 8, 9],
    [2, 2, 2, 2],
];

/// State after a less probable symbol (table 9-45).
const NEXT_LPS: [u8; 64] = [
    0, 0, 1, 2, 2, 4, 4, 5, 6, 7, 8, 9, 9, 11, 11, 12, 13, 13, 15, 15, 16, 16, 18, 18, 19, 19, 21,
    21, 22, 22, 23, 24, 24, 25, 26, 26, 27, 27, 28, 29, 29, 30, 30, 30, 31, 32, 32, 33, 33, 33, 34,
    34, 35, 35, 35, 36, 36, 36, 37, 37, 37, 38, 38, 63,
];

/// The adaptive state of one symbol.
#[derive(Clone, Copy)]
pub(crate) struct Context {
    state: u8,
    most_probable: bool,
}

impl Context {
    /// The state that slope `m`, offset `n` and the slice's quantiser give (9.3.1.1).
    pub(crate) fn new(m: i32, n: i32, qp: i32) -> Self {
        let start = (((m * qp.clamp(0, 51)) >> 4) + n).clamp(1, 126);
        if start <= 63 {
            Self { state: u8::try_from(63 - start).unwrap_or(0), most_probable: false }
        } else {
            Self { state: u8::try_from(start - 64).unwrap_or(0), most_probable: true }
        }
    }
}

/// Encodes symbols into bits; ends with the stop bit of the slice.
pub(crate) struct Encoder {
    low: u32,
    range: u32,
    outstanding: u32,
    first: bool,
    out: BitWriter,
}

impl Encoder {
    /// An encoder at the start of a slice's data.
    pub(crate) fn new() -> Self {
        Self { low: 0, range: 510, outstanding: 0, first: true, out: BitWriter::default() }
    }

    /// Encodes one adaptive symbol.
    pub(crate) fn decision(&mut self, context: &mut Context, symbol: bool) {
        let state = usize::from(context.state);
        let less = RANGE_LPS[state][((self.range >> 6) & 3) as usize];
        self.range -= less;
        if symbol == context.most_probable {
            context.state = (context.state + 1).min(62);
        } else {
            self.low += self.range;
            self.range = less;
            if context.state == 0 {
                context.most_probable = !context.most_probable;
            }
            context.state = NEXT_LPS[state];
        }
        self.renormalise();
    }

    /// Encodes whether the slice ends after this block.
    pub(crate) fn terminate(&mut self, last: bool) {
        self.range -= 2;
        if last {
            self.low += self.range;
            self.range = 2;
            self.renormalise();
            self.put((self.low >> 9) & 1);
            self.out.put(((self.low >> 7) & 3) | 1, 2);
        } else {
            self.renormalise();
        }
    }

    /// The slice's data; call after the last block's `terminate(true)`.
    pub(crate) fn finish(mut self) -> Vec<u8> {
        self.out.align(false);
        self.out.into_bytes()
    }

    fn renormalise(&mut self) {
        while self.range < 256 {
            if self.low < 256 {
                self.put(0);
            } else if self.low >= 512 {
                self.low -= 512;
                self.put(1);
            } else {
                self.low -= 256;
                self.outstanding += 1;
            }
            self.range <<= 1;
            self.low <<= 1;
        }
    }

    fn put(&mut self, bit: u32) {
        // The very first bit of the register is always zero and is not part of the code.
        if self.first {
            self.first = false;
        } else {
            self.out.put(bit, 1);
        }
        while self.outstanding > 0 {
            self.out.put(1 - bit, 1);
            self.outstanding -= 1;
        }
    }
}
