//! Stills look like what ffmpeg makes of the same picture.

use bytes::Bytes;

use super::fixtures::{Recipe, convert_with_ffmpeg, h264, h265, jpeg};
use crate::vision::{Codec, Decoder, KeyPicture, Limits, Still, VisionError};

fn still_of(codec: Codec, data: Vec<u8>) -> Result<Still, VisionError> {
    Decoder::new().still(&KeyPicture { codec, data: Bytes::from(data) }, &Limits::default())
}

fn still(recipe: &Recipe) -> Still {
    still_of(recipe.codec, recipe.encode()).unwrap()
}

/// Peak signal to noise ratio in dB of two pictures of one format.
fn psnr(ours: &[u8], theirs: &[u8]) -> f64 {
    assert_eq!(ours.len(), theirs.len());
    let error: f64 =
        ours.iter().zip(theirs).map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2)).sum();
    let samples = f64::from(u32::try_from(ours.len()).unwrap());
    10.0 * (255.0_f64.powi(2) * samples / error).log10()
}

fn assert_looks_like(recipe: &Recipe, filter: &str, least: f64) {
    let stream = recipe.encode();
    let picture = KeyPicture { codec: recipe.codec, data: Bytes::from(stream.clone()) };
    let limits = Limits { jpeg_quality: 97, ..Limits::default() };
    let still = Decoder::new().still(&picture, &limits).unwrap();
    let ours = convert_with_ffmpeg(&still.jpeg, "null", "yuvj420p");
    let theirs = convert_with_ffmpeg(&stream, filter, "yuvj420p");
    let luma = (still.width * still.height) as usize;
    for (plane, range) in [("luma", 0..luma), ("chroma", luma..theirs.len())] {
        let ratio = psnr(&ours[range.clone()], &theirs[range]);
        assert!(ratio > least, "{plane} of {recipe:?}: {ratio:.1} dB");
    }
}

#[test]
fn limited_range_is_expanded() {
    assert_looks_like(&h264(""), "scale=in_range=tv:out_range=pc", 40.0);
    assert_looks_like(&h265("-x265-params log-level=none"), "scale=in_range=tv:out_range=pc", 40.0);
    assert_looks_like(&h264("").sized("642x362"), "scale=in_range=tv:out_range=pc", 40.0);
}

#[test]
fn full_range_is_left_alone() {
    assert_looks_like(&h264("-color_range pc").format("yuvj420p"), "null", 40.0);
    let range = h265("-x265-params log-level=none:range=full").format("yuvj420p");
    assert_looks_like(&range, "null", 40.0);
}

#[test]
fn bt709_becomes_bt601() {
    let filter = "scale=in_range=tv:out_range=pc:in_color_matrix=bt709:out_color_matrix=bt601";
    // Muted colours: those of the pattern lie outside RGB when read with another matrix.
    let muted = |recipe: Recipe| recipe.format("yuv420p,hue=s=0.4");
    assert_looks_like(&muted(h264("-colorspace bt709")), filter, 40.0);
    let recipe = h265("-colorspace bt709 -x265-params log-level=none");
    assert_looks_like(&muted(recipe), filter, 40.0);
}

#[test]
fn thumbnails_keep_the_shape_of_the_scene() {
    for (recipe, size) in [
        (h264("").sized("1920x1080"), (320, 180)),
        (h264("-aspect 4:3").sized("352x288"), (320, 240)),
        (h264("").sized("128x96"), (128, 96)),
        (h264("").sized("34x270"), (34, 270)),
        (h265("-x265-params log-level=none").sized("1280x960"), (320, 240)),
        (jpeg("").sized("641x361"), (320, 180)),
    ] {
        let still = still(&recipe);
        assert_eq!((still.thumbnail_width, still.thumbnail_height), size, "{recipe:?}");
        let samples = convert_with_ffmpeg(&still.thumbnail, "null", "gray");
        assert_eq!(samples.len(), (size.0 * size.1) as usize);
    }
}

#[test]
fn thumbnails_show_the_same_picture() {
    for recipe in [h264("").sized("1280x720"), jpeg("").sized("1280x720")] {
        let still = still(&recipe);
        let ours = convert_with_ffmpeg(&still.thumbnail, "null", "rgb24");
        let theirs = convert_with_ffmpeg(&still.jpeg, "scale=320:180:flags=area", "rgb24");
        let ratio = psnr(&ours, &theirs);
        assert!(ratio > 26.0, "{recipe:?}: {ratio:.1} dB");
    }
}

#[test]
fn a_jpeg_camera_keeps_its_own_bytes() {
    for recipe in [jpeg(""), jpeg("").format("yuvj422p"), jpeg("").format("gray").sized("321x241")]
    {
        let file = recipe.encode();
        let still = still_of(Codec::Jpeg, file.clone()).unwrap();
        assert_eq!(still.jpeg, file);
        assert!(still.luma.variance > 100.0);
    }
}

#[test]
fn progressive_jpegs_are_accepted_and_four_colours_refused() {
    let encode = |colours, channels: usize| {
        let mut file = Vec::new();
        let mut encoder = jpeg_encoder::Encoder::new(&mut file, 80);
        encoder.set_progressive(true);
        encoder.encode(&vec![90; 64 * 48 * channels], 64, 48, colours).unwrap();
        still_of(Codec::Jpeg, file)
    };
    assert_eq!(encode(jpeg_encoder::ColorType::Rgb, 3).unwrap().width, 64);
    let refused = encode(jpeg_encoder::ColorType::Cmyk, 4).unwrap_err();
    assert!(matches!(refused, VisionError::Unsupported { .. }), "{refused}");
}

#[test]
fn one_decoder_serves_cameras_of_every_kind_in_turn() {
    let mut decoder = Decoder::new();
    let recipes =
        [h264(""), h265("-x265-params log-level=none"), jpeg(""), h264("").sized("64x64")];
    let pictures: Vec<KeyPicture> = recipes
        .iter()
        .map(|recipe| KeyPicture { codec: recipe.codec, data: Bytes::from(recipe.encode()) })
        .collect();
    let first: Vec<_> =
        pictures.iter().map(|p| decoder.still(p, &Limits::default()).unwrap()).collect();
    let broken = KeyPicture { codec: Codec::H264, data: pictures[0].data.slice(..9000) };
    for (picture, before) in pictures.iter().zip(&first) {
        assert!(decoder.still(&broken, &Limits::default()).is_err());
        assert_eq!(decoder.still(picture, &Limits::default()).as_ref(), Ok(before));
    }
}

#[test]
fn luma_tells_scenes_apart_and_the_same_scene_together() {
    let fine = still(&h264("-qp 18")).luma;
    let coarse = still(&h264("-qp 40")).luma;
    let other = Recipe { format: "yuv420p,hflip", ..h264("") };
    let other = still(&other).luma;
    assert!(fine.distance(&coarse) <= 4, "{}", fine.distance(&coarse));
    assert!(fine.distance(&other) >= 16, "{}", fine.distance(&other));
    assert!((fine.mean - coarse.mean).abs() < 2.0);
    assert!(fine.grid.iter().max() > fine.grid.iter().min());
    let dark = still(&Recipe { format: "yuv420p,drawbox=t=fill:c=black", ..h264("") }).luma;
    assert!(dark.mean < 1.0 && dark.variance < 1.0, "{dark:?}");
}
