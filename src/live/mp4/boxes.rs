//! The boxes of the initialisation segment and of fragments.
//!
//! What is in them was decided before; the bytes are the MP4 crate's business.

use bytes::Bytes;
use mp4_atom::{
    Codec, Dinf, Dref, Encode as _, FourCC, Ftyp, Hdlr, Header, Mdhd, Mdia, Mfhd, Minf, Moof, Moov,
    Mvex, Mvhd, Smhd, Stbl, Stco, Stsd, Tfdt, Tfhd, Tkhd, Traf, Trak, Trex, Trun, TrunEntry,
    TrunSamples, Url, Visual, Vmhd,
};

use super::PackageError;
use super::sound::{self, Stretch};
use super::timeline::{TIMESCALE, Times};
use crate::world::camera::rtp::aac::FRAME_SAMPLES;
use crate::world::camera::rtsp::sdp::SoundFormat;

/// The picture's track.
const TRACK: u32 = 1;
/// The sound's.
const SOUND: u32 = 2;
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
pub(super) fn init(track: &Track, sound: Option<SoundFormat>) -> Result<Bytes, PackageError> {
    let ftyp = Ftyp {
        major_brand: FourCC::new(b"iso5"),
        minor_version: 512,
        compatible_brands: [b"iso5", b"iso6", b"mp41"].map(FourCC::new).into(),
    };
    let mut picture = trak(TRACK, TIMESCALE, *b"vide", track.entry.clone());
    picture.mdia.minf.vmhd = Some(Vmhd::default());
    (picture.tkhd.width, picture.tkhd.height) = (track.width.into(), track.height.into());
    let mut traks = vec![picture];
    if let Some(format) = sound {
        let mut sound = trak(SOUND, format.rate, *b"soun", sound::entry(format));
        sound.mdia.minf.smhd = Some(Smhd::default());
        sound.tkhd.volume = 1.into();
        traks.push(sound);
    }
    let trex = |track_id| Trex { track_id, default_sample_description_index: 1, ..Trex::default() };
    let trex = traks.iter().map(|trak| trex(trak.tkhd.track_id)).collect();
    let moov = Moov {
        mvhd: Mvhd { timescale: TIMESCALE, next_track_id: SOUND + 1, ..Mvhd::default() },
        mvex: Some(Mvex { trex, ..Mvex::default() }),
        trak: traks,
        ..Moov::default()
    };
    let mut bytes = Vec::new();
    ftyp.encode(&mut bytes)?;
    moov.encode(&mut bytes)?;
    Ok(bytes.into())
}

/// One track without samples.
fn trak(track_id: u32, timescale: u32, handler: [u8; 4], entry: Codec) -> Trak {
    let stbl =
        Stbl { stsd: Stsd { codecs: vec![entry] }, stco: Some(Stco::default()), ..Stbl::default() };
    let minf = Minf {
        dinf: Dinf { dref: Dref { entries: vec![Url::default().into()] } },
        stbl,
        ..Minf::default()
    };
    let mdia = Mdia {
        mdhd: Mdhd { timescale, language: "und".to_owned(), ..Mdhd::default() },
        hdlr: Hdlr { handler: FourCC::new(&handler), name: String::new() },
        minf,
    };
    let tkhd = Tkhd { track_id, enabled: true, in_movie: true, ..Tkhd::default() };
    Trak { tkhd, mdia, ..Trak::default() }
}

/// `moof` and `mdat` with one picture.
pub(super) fn fragment(
    sequence: u32,
    times: Times,
    key: bool,
    slices: &[&[u8]],
) -> Result<Vec<u8>, PackageError> {
    let size: usize = slices.iter().map(|nal| LENGTH_BYTES + nal.len()).sum();
    let sample = TrunEntry {
        duration: Some(times.duration),
        size: Some(length(size)?),
        flags: Some(if key { KEY } else { DEPENDENT }),
        cts: Some(times.composition),
    };
    let mut bytes = Vec::with_capacity(size + 256);
    head(&mut bytes, (sequence, TRACK), times.decode, vec![sample])?;
    for nal in slices {
        bytes.extend_from_slice(&length(nal.len())?.to_be_bytes());
        bytes.extend_from_slice(nal);
    }
    Ok(bytes)
}

/// Appends `moof` and `mdat` with some sound; nothing where there is none.
pub(super) fn add_sound(
    bytes: &mut Vec<u8>,
    sequence: u32,
    stretch: &Stretch,
) -> Result<(), PackageError> {
    if stretch.frames.is_empty() {
        return Ok(());
    }
    let sample = |data: &Bytes| -> Result<TrunEntry, PackageError> {
        let (duration, size) = (Some(FRAME_SAMPLES), Some(length(data.len())?));
        Ok(TrunEntry { duration, size, flags: Some(KEY), cts: None })
    };
    let samples = stretch.frames.iter().map(sample).collect::<Result<_, _>>()?;
    head(bytes, (sequence, SOUND), stretch.decode, samples)?;
    for data in &stretch.frames {
        bytes.extend_from_slice(data);
    }
    Ok(())
}

/// Appends `moof` and the beginning of the `mdat` for these samples of one track.
fn head(
    bytes: &mut Vec<u8>,
    (sequence, track): (u32, u32),
    decode: u64,
    samples: Vec<TrunEntry>,
) -> Result<(), PackageError> {
    let sizes = samples.iter().filter_map(|sample| sample.size);
    let size = sizes.map(|size| usize::try_from(size).unwrap_or(0)).sum();
    let mut moof = Moof {
        mfhd: Mfhd { sequence_number: sequence },
        traf: vec![Traf {
            tfhd: Tfhd { track_id: track, default_base_is_moof: true, ..Tfhd::default() },
            tfdt: Some(Tfdt { base_media_decode_time: decode }),
            trun: vec![Trun { data_offset: Some(0), samples: TrunSamples::Explicit(samples) }],
            ..Traf::default()
        }],
    };
    let begin = bytes.len();
    moof.encode(bytes)?;
    // Where the media begins is known only now; the box keeps its length.
    let offset = i32::try_from(bytes.len() - begin + HEADER_BYTES).unwrap_or(0);
    moof.traf[0].trun[0].data_offset = Some(offset);
    bytes.truncate(begin);
    moof.encode(bytes)?;
    Header { kind: FourCC::new(b"mdat"), size: Some(size) }.encode(bytes)?;
    Ok(())
}

fn length(bytes: usize) -> Result<u32, PackageError> {
    Ok(u32::try_from(bytes).map_err(|_| mp4_atom::Error::TooLarge(FourCC::new(b"mdat")))?)
}
