//! The boxes of the initialisation segment and of fragments.
//!
//! What is in them was decided before; the bytes are the MP4 crate's business.

use bytes::Bytes;
use mp4_atom::{
    Codec, Dinf, Dref, Encode as _, FourCC, Ftyp, Hdlr, Header, Mdhd, Mdia, Mfhd, Minf, Moof, Moov,
    Mvex, Mvhd, Stbl, Stco, Stsd, Tfdt, Tfhd, Tkhd, Traf, Trak, Trex, Trun, TrunEntry, TrunSamples,
    Url, Visual, Vmhd,
};

use super::PackageError;
use super::timeline::{TIMESCALE, Times};

/// The one track's number.
const TRACK: u32 = 1;
/// Sample flags (ISO/IEC 14496-12, 8.8.3.1): depends on no other sample.
const KEY: u32 = 0x0200_0000;
/// Depends on others, and no point to begin at.
const DEPENDENT: u32 = 0x0101_0000;
/// Bytes of the length before each NAL unit.
const LENGTH_BYTES: usize = 4;
/// Bytes of the `mdat` box's header.
const HEADER_BYTES: usize = 8;

/// What the initialisation segment says.
#[derive(Debug)]
pub(super) struct Track {
    /// The sample entry.
    pub entry: Codec,
    /// In pixels.
    pub width: u16,
    /// In pixels.
    pub height: u16,
    /// The codec's exact name.
    pub codecs: String,
    /// By how many pictures the stream reorders, where its parameter sets say so.
    pub reorder: Option<u32>,
}

/// The part of a sample entry that all codecs share.
pub(super) fn visual(width: u16, height: u16) -> Visual {
    Visual { data_reference_index: 1, width, height, ..Visual::default() }
}

/// `ftyp` and `moov`.
pub(super) fn init(track: Track) -> Result<Bytes, PackageError> {
    let ftyp = Ftyp {
        major_brand: FourCC::new(b"iso5"),
        minor_version: 512,
        compatible_brands: [b"iso5", b"iso6", b"mp41"].map(FourCC::new).into(),
    };
    let stbl = Stbl {
        stsd: Stsd { codecs: vec![track.entry] },
        stco: Some(Stco::default()),
        ..Stbl::default()
    };
    let minf = Minf {
        vmhd: Some(Vmhd::default()),
        dinf: Dinf { dref: Dref { entries: vec![Url::default().into()] } },
        stbl,
        ..Minf::default()
    };
    let mdia = Mdia {
        mdhd: Mdhd { timescale: TIMESCALE, language: "und".to_owned(), ..Mdhd::default() },
        hdlr: Hdlr { handler: FourCC::new(b"vide"), name: String::new() },
        minf,
    };
    let tkhd = Tkhd {
        track_id: TRACK,
        enabled: true,
        in_movie: true,
        width: track.width.into(),
        height: track.height.into(),
        ..Tkhd::default()
    };
    let trex = Trex { track_id: TRACK, default_sample_description_index: 1, ..Trex::default() };
    let moov = Moov {
        mvhd: Mvhd { timescale: TIMESCALE, next_track_id: TRACK + 1, ..Mvhd::default() },
        mvex: Some(Mvex { trex: vec![trex], ..Mvex::default() }),
        trak: vec![Trak { tkhd, mdia, ..Trak::default() }],
        ..Moov::default()
    };
    let mut bytes = Vec::new();
    ftyp.encode(&mut bytes)?;
    moov.encode(&mut bytes)?;
    Ok(bytes.into())
}

/// `moof` and `mdat` with one picture.
pub(super) fn fragment(
    sequence: u32,
    times: Times,
    key: bool,
    slices: &[&[u8]],
) -> Result<Bytes, PackageError> {
    let size: usize = slices.iter().map(|nal| LENGTH_BYTES + nal.len()).sum();
    let length = |bytes: usize| {
        u32::try_from(bytes).map_err(|_| mp4_atom::Error::TooLarge(FourCC::new(b"mdat")))
    };
    let sample = TrunEntry {
        duration: Some(times.duration),
        size: Some(length(size)?),
        flags: Some(if key { KEY } else { DEPENDENT }),
        cts: Some(times.composition),
    };
    let mut moof = Moof {
        mfhd: Mfhd { sequence_number: sequence },
        traf: vec![Traf {
            tfhd: Tfhd { track_id: TRACK, default_base_is_moof: true, ..Tfhd::default() },
            tfdt: Some(Tfdt { base_media_decode_time: times.decode }),
            trun: vec![Trun { data_offset: Some(0), samples: TrunSamples::Explicit(vec![sample]) }],
            ..Traf::default()
        }],
    };
    let mut bytes = Vec::with_capacity(size + 256);
    moof.encode(&mut bytes)?;
    // Where the picture begins is known only now; the box keeps its length.
    let offset = i32::try_from(bytes.len() + HEADER_BYTES).unwrap_or(0);
    moof.traf[0].trun[0].data_offset = Some(offset);
    bytes.clear();
    moof.encode(&mut bytes)?;
    Header { kind: FourCC::new(b"mdat"), size: Some(size) }.encode(&mut bytes)?;
    for nal in slices {
        bytes.extend_from_slice(&length(nal.len())?.to_be_bytes());
        bytes.extend_from_slice(nal);
    }
    Ok(bytes.into())
}
