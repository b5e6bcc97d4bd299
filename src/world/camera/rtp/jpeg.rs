//! JPEG over RTP, RFC 2435: the scan comes in fragments, and its headers are made again here.
//!
//! Not read: pictures of other types than the two of the RFC (4:2:2 and 4:2:0, with or without
//! restart markers). The scan's bytes are passed on as they are.

use std::collections::VecDeque;

use super::{MediaError, Packet, Tally, Unit};

const SHORT: MediaError = MediaError::Malformed("JPEG packet too short");

/// Puts the fragments of one track together.
#[derive(Debug)]
pub(super) struct Reader {
    dimensions: Option<(u16, u16)>,
    limit: usize,
    picture: Option<Picture>,
    // Tables that came in the stream for Q 128 to 254: they may be sent only once.
    tables: Vec<(u8, Tables)>,
}

#[derive(Debug)]
struct Picture {
    timestamp: u32,
    // The made headers and the scan so far.
    data: Vec<u8>,
    header: usize,
}

/// Quantization tables as `DQT` segments hold them: luma and chroma, 8 or 16 bits each.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Tables {
    luma: Vec<u8>,
    chroma: Vec<u8>,
}

/// What stands before the scan in each packet.
struct Header<'a> {
    offset: usize,
    kind: u8,
    q: u8,
    width: u16,
    height: u16,
    restart: u16,
    rest: &'a [u8],
}

impl<'a> Header<'a> {
    fn parse(payload: &'a [u8]) -> Result<Self, MediaError> {
        let (main, rest) = payload.split_first_chunk::<8>().ok_or(SHORT)?;
        let [_, high, middle, low, kind, q, width, height] = *main;
        let offset = usize::from(high) << 16 | usize::from(middle) << 8 | usize::from(low);
        let (restart, rest) = match kind {
            0 | 1 => (0, rest),
            64 | 65 => {
                let (restart, rest) = rest.split_first_chunk::<4>().ok_or(SHORT)?;
                (u16::from_be_bytes([restart[0], restart[1]]), rest)
            }
            _ => return Err(MediaError::Unsupported("this type of JPEG")),
        };
        let (width, height) = (u16::from(width) * 8, u16::from(height) * 8);
        Ok(Self { offset, kind: kind & 63, q, width, height, restart, rest })
    }
}

impl Reader {
    /// `dimensions` are those of the session description: packets cannot say more than 2040.
    pub(super) fn new(dimensions: Option<(u16, u16)>, limit: usize) -> Self {
        Self { dimensions, limit, picture: None, tables: Vec::new() }
    }

    /// Takes one packet.
    pub(super) fn push(
        &mut self,
        packet: &Packet,
        lost: u16,
        ready: &mut VecDeque<Unit>,
        tally: &mut Tally,
    ) -> Result<(), MediaError> {
        let gone = |picture: &Picture| lost > 0 || picture.timestamp != packet.timestamp;
        if self.picture.take_if(|picture| gone(picture)).is_some() {
            tally.pictures += 1;
            tally.broken += 1;
        }
        let header = Header::parse(&packet.payload)?;
        let scan = if header.offset == 0 { self.start(packet, &header)? } else { header.rest };
        let Some(picture) = &mut self.picture else { return Ok(()) };
        if picture.data.len() - picture.header != header.offset {
            self.picture = None;
            tally.pictures += 1;
            tally.broken += 1;
            return Ok(());
        }
        if picture.data.len() + scan.len() > self.limit {
            return Err(MediaError::TooLong(self.limit));
        }
        picture.data.extend_from_slice(scan);
        if packet.marker
            && let Some(mut picture) = self.picture.take()
        {
            if !picture.data.ends_with(&[0xff, 0xd9]) {
                picture.data.extend_from_slice(&[0xff, 0xd9]);
            }
            tally.pictures += 1;
            let data = picture.data.into();
            ready.push_back(Unit { key: true, timestamp: picture.timestamp, data });
        }
        Ok(())
    }

    /// Makes the headers of a new picture; hands back what of the packet belongs to the scan.
    fn start<'a>(&mut self, packet: &Packet, header: &Header<'a>) -> Result<&'a [u8], MediaError> {
        self.picture = None;
        let (tables, scan) = self.tables_of(header)?;
        let (width, height) = self.size_of(header)?;
        let data = headers(header, &tables, width, height);
        let length = data.len();
        self.picture = Some(Picture { timestamp: packet.timestamp, data, header: length });
        Ok(scan)
    }

    /// The description's size where it agrees with the packet's, which is in steps of 8.
    fn size_of(&self, header: &Header<'_>) -> Result<(u16, u16), MediaError> {
        let said = (header.width, header.height);
        match self.dimensions {
            Some((width, height))
                if [(width, said.0), (height, said.1)]
                    .iter()
                    .all(|(whole, step)| *step == 0 || whole.div_ceil(8) * 8 == *step) =>
            {
                Ok((width, height))
            }
            _ if said.0 == 0 || said.1 == 0 => {
                Err(MediaError::Unsupported("JPEG larger than 2040 without its size"))
            }
            _ => Ok(said),
        }
    }

    fn tables_of<'a>(&mut self, header: &Header<'a>) -> Result<(Tables, &'a [u8]), MediaError> {
        match header.q {
            0 => Err(MediaError::Malformed("JPEG quality 0")),
            1..=99 => Ok((default_tables(header.q), header.rest)),
            100..=127 => Err(MediaError::Malformed("reserved JPEG quality")),
            128.. => {
                let (prefix, rest) = header.rest.split_first_chunk::<4>().ok_or(SHORT)?;
                let length = usize::from(u16::from_be_bytes([prefix[2], prefix[3]]));
                let bytes = rest.get(..length).ok_or(SHORT)?;
                let scan = &rest[length..];
                let known = self.tables.iter().position(|(q, _)| *q == header.q);
                if length > 0 {
                    let tables = split_tables(bytes, prefix[1])?;
                    match known {
                        Some(index) => self.tables[index].1 = tables.clone(),
                        None => self.tables.push((header.q, tables.clone())),
                    }
                    return Ok((tables, scan));
                }
                let index = known.filter(|_| header.q != 255);
                let missing = MediaError::Malformed("JPEG without quantization tables");
                index.map(|index| (self.tables[index].1.clone(), scan)).ok_or(missing)
            }
        }
    }
}

/// Tables of a packet; one alone serves for both.
fn split_tables(bytes: &[u8], precision: u8) -> Result<Tables, MediaError> {
    let size = |bit: u8| if precision >> bit & 1 == 0 { 64 } else { 128 };
    let luma = bytes.get(..size(0)).ok_or(SHORT)?;
    let chroma = bytes.get(size(0)..size(0) + size(1)).unwrap_or(luma);
    Ok(Tables { luma: luma.to_vec(), chroma: chroma.to_vec() })
}

/// Appendix A of the RFC.
fn default_tables(q: u8) -> Tables {
    let q = u32::from(q);
    let factor = if q < 50 { 5000 / q } else { 200 - 2 * q };
    let scale = |base: &u8| {
        u8::try_from(((u32::from(*base) * factor + 50) / 100).clamp(1, 255)).unwrap_or(u8::MAX)
    };
    let mut chroma: Vec<u8> = CHROMA_QUANTIZERS.iter().map(scale).collect();
    chroma.resize(64, scale(&99));
    Tables { luma: LUMA_QUANTIZERS.iter().map(scale).collect(), chroma }
}

/// Appendix B of the RFC.
fn headers(header: &Header<'_>, tables: &Tables, width: u16, height: u16) -> Vec<u8> {
    let mut out = vec![0xff, 0xd8];
    for (id, table) in [(0u8, &tables.luma), (1, &tables.chroma)] {
        let wide = if table.len() > 64 { 0x10 } else { 0 };
        segment(&mut out, 0xdb, &[&[wide | id], table]);
    }
    if header.restart > 0 {
        segment(&mut out, 0xdd, &[&header.restart.to_be_bytes()]);
    }
    let luma_sampling = if header.kind == 0 { 0x21 } else { 0x22 };
    let components = [3, 1, luma_sampling, 0, 2, 0x11, 1, 3, 0x11, 1];
    segment(&mut out, 0xc0, &[&[8], &height.to_be_bytes(), &width.to_be_bytes(), &components]);
    for (id, table) in [(0x00, &LUMA_DC), (0x10, &LUMA_AC), (0x01, &CHROMA_DC), (0x11, &CHROMA_AC)]
    {
        segment(&mut out, 0xc4, &[&[id], table.lengths, table.symbols]);
    }
    segment(&mut out, 0xda, &[&[3, 1, 0x00, 2, 0x11, 3, 0x11, 0, 63, 0]]);
    out
}

fn segment(out: &mut Vec<u8>, marker: u8, parts: &[&[u8]]) {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    out.extend_from_slice(&[0xff, marker]);
    // All segments made here are shorter than 200 bytes.
    out.extend_from_slice(&u16::try_from(length + 2).unwrap_or(u16::MAX).to_be_bytes());
    for part in parts {
        out.extend_from_slice(part);
    }
}

/// A Huffman table of ITU-T T.81 annex K.
struct Huffman {
    lengths: &'static [u8; 16],
    symbols: &'static [u8],
}

const LUMA_DC: Huffman = Huffman {
    lengths: &[0, 1, 5, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0],
    symbols: &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11],
};

const LUMA_AC: Huffman = Huffman {
    lengths: &[0, 2, 1, 3, 3, 2, 4, 3, 5, 5, 4, 4, 0, 0, 1, 125],
    symbols: &[
        1, 2, 3, 0, 4, 17, 5, 18, 33, 49, 65, 6, 19, 81, 97, 7, 34, 113, 20, 50, 129, 145, 161, 8,
        35, 66, 177, 193, 21, 82, 209, 240, 36, 51, 98, 114, 130, 9, 10, 22, 23, 24, 25, 26, 37,
        38, 39, 40, 41, 42, 52, 53, 54, 55, 56, 57, 58, 67, 68, 69, 70, 71, 72, 73, 74, 83, 84, 85,
        86, 87, 88, 89, 90, 99, 100, 101, 102, 103, 104, 105, 106, 115, 116, 117, 118, 119, 120,
        121, 122, 131, 132, 133, 134, 135, 136, 137, 138, 146, 147, 148, 149, 150, 151, 152, 153,
        154, 162, 163, 164, 165, 166, 167, 168, 169, 170, 178, 179, 180, 181, 182, 183, 184, 185,
        186, 194, 195, 196, 197, 198, 199, 200, 201, 202, 210, 211, 212, 213, 214, 215, 216, 217,
        218, 225, 226, 227, 228, 229, 230, 231, 232, 233, 234, 241, 242, 243, 244, 245, 246, 247,
        248, 249, 250,
    ],
};

const CHROMA_DC: Huffman = Huffman {
    lengths: &[0, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0],
    symbols: &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11],
};

const CHROMA_AC: Huffman = Huffman {
    lengths: &[0, 2, 1, 2, 4, 4, 3, 4, 7, 5, 4, 4, 0, 1, 2, 119],
    symbols: &[
        0, 1, 2, 3, 17, 4, 5, 33, 49, 6, 18, 65, 81, 7, 97, 113, 19, 34, 50, 129, 8, 20, 66, 145,
        161, 177, 193, 9, 35, 51, 82, 240, 21, 98, 114, 209, 10, 22, 36, 52, 225, 37, 241, 23, 24,
        25, 26, 38, 39, 40, 41, 42, 53, 54, 55, 56, 57, 58, 67, 68, 69, 70, 71, 72, 73, 74, 83, 84,
        85, 86, 87, 88, 89, 90, 99, 100, 101, 102, 103, 104, 105, 106, 115, 116, 117, 118, 119,
        120, 121, 122, 130, 131, 132, 133, 134, 135, 136, 137, 138, 146, 147, 148, 149, 150, 151,
        152, 153, 154, 162, 163, 164, 165, 166, 167, 168, 169, 170, 178, 179, 180, 181, 182, 183,
        184, 185, 186, 194, 195, 196, 197, 198, 199, 200, 201, 202, 210, 211, 212, 213, 214, 215,
        216, 217, 218, 226, 227, 228, 229, 230, 231, 232, 233, 234, 242, 243, 244, 245, 246, 247,
        248, 249, 250,
    ],
};

/// Table K.1 in zigzag order.
const LUMA_QUANTIZERS: [u8; 64] = [
    16, 11, 12, 14, 12, 10, 16, 14, 13, 14, 18, 17, 16, 19, 24, 40, 26, 24, 22, 22, 24, 49, 35, 37,
    29, 40, 58, 51, 61, 60, 57, 51, 56, 55, 64, 72, 92, 78, 64, 68, 87, 69, 55, 56, 80, 109, 81,
    87, 95, 98, 103, 104, 103, 62, 77, 113, 121, 112, 100, 120, 92, 101, 103, 99,
];

/// Table K.2 in zigzag order; the rest is 99.
const CHROMA_QUANTIZERS: [u8; 14] = [17, 18, 18, 24, 21, 24, 47, 26, 26, 47, 99, 66, 56, 66];
