//! Bits, Exp-Golomb codes, NAL unit framing: the letters that H.264 and H.265 headers are written in.
//! It knows no header by name.

/// Writes bits, most significant first.
#[derive(Default)]
pub(crate) struct BitWriter {
    bytes: Vec<u8>,
    pending: u64,
    count: u32,
}

impl BitWriter {
    /// Appends the low `width` bits of `value`; `width` is at most 32.
    pub(crate) fn put(&mut self, value: u32, width: u32) {
        debug_assert!(width <= 32);
        let masked = u64::from(value) & ((1_u64 << width) - 1);
        self.pending = (self.pending << width) | masked;
        self.count += width;
        while self.count >= 8 {
            self.count -= 8;
            let [.., byte] = (self.pending >> self.count).to_be_bytes();
            self.bytes.push(byte);
        }
    }

    /// Appends one bit.
    pub(crate) fn flag(&mut self, value: bool) {
        self.put(u32::from(value), 1);
    }

    /// Appends an unsigned Exp-Golomb code.
    pub(crate) fn ue(&mut self, value: u32) {
        let code = value + 1;
        let length = 32 - code.leading_zeros();
        self.put(0, length - 1);
        self.put(code, length);
    }

    /// Appends a signed Exp-Golomb code.
    pub(crate) fn se(&mut self, value: i32) {
        let magnitude = value.unsigned_abs() * 2;
        self.ue(if value > 0 { magnitude - 1 } else { magnitude });
    }

    /// Fills the last byte with `one` bits or zero bits.
    pub(crate) fn align(&mut self, one: bool) {
        while self.count != 0 {
            self.flag(one);
        }
    }

    /// True when the next bit starts a byte.
    pub(crate) fn is_aligned(&self) -> bool {
        self.count == 0
    }

    /// Ends the writing; the last byte must be full.
    pub(crate) fn into_bytes(self) -> Vec<u8> {
        debug_assert!(self.is_aligned());
        self.bytes
    }
}

/// Reads bits, most significant first; past the end it reads zeros.
pub(crate) struct BitReader<'a> {
    bytes: &'a [u8],
    position: usize,
}

impl<'a> BitReader<'a> {
    /// A reader at the first bit of `bytes`.
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, position: 0 }
    }

    /// The number of bits read so far.
    pub(crate) fn position(&self) -> usize {
        self.position
    }

    /// The next `width` bits, at most 32.
    pub(crate) fn get(&mut self, width: u32) -> u32 {
        let mut value = 0;
        for _ in 0..width {
            let byte = self.bytes.get(self.position / 8).copied().unwrap_or(0);
            value = (value << 1) | u32::from((byte >> (7 - self.position % 8)) & 1);
            self.position += 1;
        }
        value
    }

    /// The next bit.
    pub(crate) fn flag(&mut self) -> bool {
        self.get(1) == 1
    }

    /// The next unsigned Exp-Golomb code; a code too long to be one reads as 0.
    pub(crate) fn ue(&mut self) -> u32 {
        let mut zeros = 0;
        while !self.flag() {
            zeros += 1;
            if zeros > 31 {
                return 0;
            }
        }
        let tail = self.get(zeros);
        (1_u32 << zeros) - 1 + tail
    }

    /// The next signed Exp-Golomb code.
    pub(crate) fn se(&mut self) -> i32 {
        let code = i64::from(self.ue());
        let value = if code % 2 == 1 { (code + 1) / 2 } else { -(code / 2) };
        i32::try_from(value).unwrap_or(0)
    }

    /// Copies every remaining bit up to the end of the bytes into `writer`.
    pub(crate) fn copy_rest(&mut self, writer: &mut BitWriter) {
        while self.position < self.bytes.len() * 8 {
            writer.put(self.get(1), 1);
        }
    }
}

/// The NAL units of an Annex B byte stream, without start codes.
pub(crate) fn split_annex_b(stream: &[u8]) -> Vec<&[u8]> {
    let mut starts = Vec::new();
    let mut index = 0;
    while index + 3 <= stream.len() {
        if stream[index + 2] > 1 {
            index += 3;
        } else if stream[index..index + 3] == [0, 0, 1] {
            starts.push(index + 3);
            index += 3;
        } else {
            index += 1;
        }
    }
    let mut units = Vec::with_capacity(starts.len());
    for (nth, &start) in starts.iter().enumerate() {
        let mut end = starts.get(nth + 1).map_or(stream.len(), |next| next - 3);
        // The zero byte of a four byte start code, and trailing zeros, belong to no unit.
        while end > start && stream[end - 1] == 0 {
            end -= 1;
        }
        units.push(&stream[start..end]);
    }
    units
}

/// Removes the emulation prevention bytes of a NAL unit.
pub(crate) fn unescape(unit: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(unit.len());
    let mut zeros = 0;
    for &byte in unit {
        if zeros >= 2 && byte == 3 {
            zeros = 0;
            continue;
        }
        zeros = if byte == 0 { zeros + 1 } else { 0 };
        out.push(byte);
    }
    out
}

/// Appends `bytes` with emulation prevention; `zeros` carries the run of zeros across calls.
pub(crate) fn escape_into(out: &mut Vec<u8>, bytes: &[u8], zeros: &mut u32) {
    out.reserve(bytes.len() + 8);
    for &byte in bytes {
        if *zeros >= 2 && byte <= 3 {
            out.push(3);
            *zeros = 0;
        }
        *zeros = if byte == 0 { *zeros + 1 } else { 0 };
        out.push(byte);
    }
}

/// A whole NAL unit with emulation prevention added.
pub(crate) fn escape(unit: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(unit.len() + 8);
    escape_into(&mut out, unit, &mut 0);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exp_golomb_codes_read_back_as_written() {
        let mut writer = BitWriter::default();
        for value in [0, 1, 2, 7, 8, 255, 100_000] {
            writer.ue(value);
        }
        for value in [0, 1, -1, 5, -26] {
            writer.se(value);
        }
        writer.align(true);
        let bytes = writer.into_bytes();
        let mut reader = BitReader::new(&bytes);
        for value in [0, 1, 2, 7, 8, 255, 100_000] {
            assert_eq!(reader.ue(), value);
        }
        for value in [0, 1, -1, 5, -26] {
            assert_eq!(reader.se(), value);
        }
    }

    #[test]
    fn emulation_prevention_is_reversible() {
        let unit = [0x65, 0, 0, 0, 0, 0, 1, 0, 0, 3, 9, 0, 0, 2];
        let escaped = escape(&unit);
        assert!(!escaped.windows(3).any(|w| w[0] == 0 && w[1] == 0 && w[2] < 3));
        assert_eq!(unescape(&escaped), unit);
    }

    #[test]
    fn annex_b_units_lose_their_start_codes() {
        let stream = [0, 0, 0, 1, 0x67, 1, 2, 0, 0, 1, 0x68, 3, 0, 0, 0, 1, 0x65, 4];
        let units = split_annex_b(&stream);
        assert_eq!(units, [&[0x67, 1, 2][..], &[0x68, 3], &[0x65, 4]]);
    }
}
