//! Every sample of many kinds of key pictures is the one that ffmpeg decodes.

use super::fixtures::{Recipe, decode_with_ffmpeg, h264, h265};
use crate::vision::decoder::Decoded;
use crate::vision::{Codec, Limits, VisionError};
use crate::vision::{h264 as avc, h265 as hevc};

pub(super) fn decode(codec: Codec, stream: &[u8]) -> Result<Decoded, VisionError> {
    let limits = Limits::default();
    match codec {
        Codec::H264 => avc::decode(stream, &limits, &|| false),
        Codec::H265 => hevc::decode(stream, &limits, &|| false),
        Codec::Jpeg => unreachable!("JPEG files are not compared sample by sample"),
    }
}

fn assert_as_ffmpeg(recipes: &[(&str, Recipe)]) {
    for (name, recipe) in recipes {
        let stream = recipe.encode();
        let planes =
            decode(recipe.codec, &stream).unwrap_or_else(|error| panic!("{name}: {error}")).planes;
        let ours = [planes.y, planes.u, planes.v].concat();
        let theirs = decode_with_ffmpeg(&stream);
        assert_eq!(ours.len(), theirs.len(), "{name}: size");
        let differing = ours.iter().zip(&theirs).filter(|(ours, theirs)| ours != theirs).count();
        assert_eq!(differing, 0, "{name}: samples that differ from ffmpeg");
    }
}

#[test]
fn h264_key_pictures_are_decoded_as_by_ffmpeg() {
    assert_as_ffmpeg(&[
        ("baseline, CAVLC", h264("-profile:v baseline")),
        ("baseline, slices", h264("-profile:v baseline -x264-params slices=6")),
        ("main, CABAC", h264("-profile:v main")),
        ("main, CAVLC", h264("-profile:v main -x264-params cabac=0")),
        ("high, 8x8 transform", h264("-profile:v high -x264-params 8x8dct=1")),
        ("high, 8x8 transform, CAVLC", h264("-x264-params 8x8dct=1:cabac=0")),
        ("four slices", h264("-x264-params slices=4")),
        ("slices of few macroblocks", h264("-x264-params slice-max-mbs=37")),
        ("slices of one packet", h264("-x264-params slice-max-size=1200")),
        ("slices, full HD", h264("-x264-params slices=8").sized("1920x1080")),
        ("cropped at right and bottom", h264("").sized("642x362")),
        ("one macroblock", h264("").sized("16x16")),
        ("narrow", h264("").sized("34x270")),
        ("full HD", h264("").sized("1920x1080")),
        ("no deblocking", h264("-x264-params no-deblock=1")),
        ("strong deblocking, slices", h264("-x264-params deblock=3,-3:slices=3")),
        ("scaling matrices", h264("-x264-params cqm=jvt")),
        ("finest quantisation", h264("-qp 1").sized("320x240")),
        ("coarsest quantisation", h264("-qp 51")),
        ("PCM macroblocks", h264("-qp 1 -profile:v main").sized("320x240")),
        ("frames in a field stream", h264("-x264-params fake-interlaced=1").sized("640x352")),
        ("constrained intra", h264("-x264-params constrained-intra=1")),
        ("intra refresh", h264("-x264-params intra-refresh=1")),
        (
            "delimiters and SEI",
            h264("-x264-params aud=1:nal-hrd=vbr:vbv-maxrate=999:vbv-bufsize=999"),
        ),
        ("another parameter set id", h264("-x264-params sps-id=7")),
        ("full range", h264("-color_range pc").format("yuvj420p")),
        ("fastest encoder", h264("-preset ultrafast")),
        ("slowest encoder", h264("-preset veryslow")),
    ]);
}

#[test]
fn h265_key_pictures_are_decoded_as_by_ffmpeg() {
    assert_as_ffmpeg(&[
        ("wavefronts", h265("-x265-params log-level=none:wpp=1")),
        ("no wavefronts", h265("-x265-params log-level=none:wpp=0")),
        ("slices", h265("-x265-params log-level=none:slices=4")),
        ("slices, full HD", h265("-x265-params log-level=none:slices=4").sized("1920x1080")),
        ("blocks of 16", h265("-x265-params log-level=none:ctu=16")),
        ("blocks of 32", h265("-x265-params log-level=none:ctu=32")),
        ("no sample adaptive offset", h265("-x265-params log-level=none:sao=0")),
        ("no deblocking", h265("-x265-params log-level=none:no-deblock=1")),
        ("transform skip", h265("-x265-params log-level=none:rect=1:amp=1:tskip=1")),
        ("cropped", h265("-x265-params log-level=none").sized("642x362")),
        ("full range", h265("-x265-params log-level=none:range=full").format("yuvj420p")),
        ("lossless", h265("-x265-params log-level=none:lossless=1").sized("320x240")),
        ("delimiters", h265("-x265-params log-level=none:aud=1:repeat-headers=1:hrd=0")),
        ("picture hash", h265("-x265-params log-level=none:hash=1")),
        ("finest quantisation", h265("-x265-params log-level=none:qp=1").sized("320x240")),
        ("coarsest quantisation", h265("-x265-params log-level=none:qp=50")),
        ("open group of pictures", h265("-x265-params log-level=none:open-gop=1")),
        ("scaling lists", h265("-x265-params log-level=none:scaling-list=default")),
        ("constrained intra", h265("-x265-params log-level=none:constrained-intra=1")),
        ("one small block", h265("-x265-params log-level=none:ctu=16").sized("16x16")),
        ("fastest encoder", h265("-preset ultrafast -x265-params log-level=none")),
        ("slowest encoder", h265("-preset slower -x265-params log-level=none")),
    ]);
}

#[test]
fn ten_bit_h265_is_rounded_to_eight_bits() {
    let stream = h265("-x265-params log-level=none").format("yuv420p10le").encode();
    let planes = decode(Codec::H265, &stream).unwrap().planes;
    let ours = [planes.y, planes.u, planes.v].concat();
    let theirs: Vec<u8> = decode_with_ffmpeg(&stream)
        .chunks_exact(2)
        .map(|sample| (u16::from_le_bytes([sample[0], sample[1]]) + 2) >> 2)
        .map(|sample| u8::try_from(sample.min(255)).unwrap())
        .collect();
    assert!(ours == theirs);
}

#[test]
fn coding_tools_beyond_the_decoders_are_named_as_unsupported() {
    for (name, recipe) in [
        ("interlaced", h264("-flags +ildct+ilme -x264-params interlaced=1").sized("640x352")),
        ("ten bits", h264("").format("yuv420p10le")),
        ("grey", h264("").format("gray")),
        ("4:2:2", h264("").format("yuv422p")),
        ("4:4:4", h264("").format("yuv444p")),
        ("lossless", h264("-qp 0 -profile:v high444").sized("320x240")),
        ("twelve bits", h265("-x265-params log-level=none").format("yuv420p12le")),
        ("4:2:2", h265("-x265-params log-level=none").format("yuv422p")),
        ("4:4:4", h265("-x265-params log-level=none").format("yuv444p")),
        ("grey", h265("-x265-params log-level=none").format("gray")),
    ] {
        let error = decode(recipe.codec, &recipe.encode()).unwrap_err();
        assert!(matches!(error, VisionError::Unsupported { .. }), "{name}: {error}");
    }
}

#[test]
fn pictures_that_need_others_are_no_key_pictures() {
    for recipe in [h264("-bf 0"), h265("-x265-params log-level=none:bframes=0:repeat-headers=1")] {
        let stream = recipe.encode_frames(2);
        let nals: Vec<&[u8]> = crate::vision::annex_b::nal_units(&stream).collect();
        let is_key = |nal: &&[u8]| match recipe.codec {
            Codec::H264 => nal[0] & 0x1F == 5,
            Codec::H265 | Codec::Jpeg => (16..24).contains(&(nal[0] >> 1)),
        };
        let rest = nals.iter().filter(|nal| !is_key(nal));
        let without_key: Vec<u8> = rest.flat_map(|nal| [&[0, 0, 1], *nal].concat()).collect();
        assert_eq!(decode(recipe.codec, &without_key).unwrap_err(), VisionError::NoPicture);
    }
}

#[test]
fn pictures_after_the_first_are_left_out() {
    for recipe in [h264("-g 1"), h265("-x265-params log-level=none:keyint=2")] {
        let one = decode(recipe.codec, &recipe.encode()).unwrap().planes;
        let many = decode(recipe.codec, &recipe.encode_frames(3)).unwrap().planes;
        assert_eq!((one.width, one.height), (many.width, many.height));
        let first = decode_with_ffmpeg(&recipe.encode_frames(3));
        assert!(first == [many.y, many.u, many.v].concat());
    }
}
