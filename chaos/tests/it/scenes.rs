//! What the pictures show, and the stamp read back from a file.

use std::process::Command;

use camserver_chaos::Stamp;

use crate::simulator::{HTTP_PORT, Simulator, eventually, http};

fn fleet() -> Simulator {
    Simulator::start(&["--cameras", "2", "--http-port", &HTTP_PORT.to_string()])
}

fn snapshot(simulator: &Simulator) -> Vec<u8> {
    snapshot_of(simulator, 1)
}

fn snapshot_of(simulator: &Simulator, camera: u32) -> Vec<u8> {
    let host = format!("{}:{HTTP_PORT}", simulator.address(camera));
    let (status, jpeg) = http(&host, "GET", "/snapshot.jpg", "");
    assert_eq!(status, 200);
    jpeg
}

fn luma(jpeg: &[u8]) -> Vec<u8> {
    use zune_jpeg::zune_core::{
        bytestream::ZCursor, colorspace::ColorSpace, options::DecoderOptions,
    };
    let options = DecoderOptions::default().jpeg_set_out_colorspace(ColorSpace::Luma);
    zune_jpeg::JpegDecoder::new_with_options(ZCursor::new(jpeg), options).decode().unwrap()
}

#[test]
fn frozen_camera_repeats_one_picture_and_a_still_one_only_its_scene() {
    let simulator = fleet();
    simulator.scene(1, "frozen");
    let first = snapshot(&simulator);
    let stamp = Stamp::from_jpeg(&first).unwrap();
    // The clock goes on, as the other camera shows.
    let other = || Stamp::from_jpeg(&snapshot_of(&simulator, 2)).unwrap().sent;
    let begun = other();
    eventually("three pictures later", || {
        other().duration_since(begun) >= jiff::SignedDuration::from_millis(300)
    });
    assert_eq!(snapshot(&simulator), first);
    simulator.scene(1, "still");
    let still = luma(&snapshot(&simulator));
    let mut last = still.clone();
    eventually("the clock runs", || {
        last = luma(&snapshot(&simulator));
        last != still
    });
    // Between the bar of 16 lines and the stamp nothing moves.
    let scene = 16 * 320..160 * 320;
    assert_eq!(last[scene.clone()], still[scene.clone()]);
    simulator.scene(1, "moving");
    eventually("something moves", || {
        luma(&snapshot(&simulator))[scene.clone()] != still[scene.clone()]
    });
    assert!(Stamp::from_jpeg(&snapshot(&simulator)).unwrap().sent > stamp.sent);
}

#[test]
fn black_camera_is_dark_and_still_stamped() {
    let simulator = fleet();
    simulator.scene(1, "black");
    let jpeg = snapshot(&simulator);
    let luma = luma(&jpeg);
    let mean = luma.iter().map(|&y| u64::from(y)).sum::<u64>() / luma.len() as u64;
    assert!(mean < 5, "mean {mean}");
    assert_eq!(Stamp::from_jpeg(&jpeg).unwrap().name, "cam-001");
}

#[test]
#[expect(clippy::disallowed_methods, reason = "the program under test and one not written here")]
fn stamp_is_printed_also_after_scaling_down() {
    let simulator = fleet();
    let directory = tempfile::tempdir().unwrap();
    let (full, small) = (directory.path().join("full.jpg"), directory.path().join("small.jpg"));
    std::fs::write(&full, snapshot(&simulator)).unwrap();
    let scaled = Command::new("ffmpeg")
        .args(["-v", "error", "-nostdin", "-i"])
        .arg(&full)
        .args(["-vf", "scale=240:-2", "-q:v", "6"])
        .arg(&small)
        .status();
    assert!(scaled.unwrap().success());
    let printed = |file| {
        let output =
            Command::new(env!("CARGO_BIN_EXE_camsim")).arg("stamp").arg(file).output().unwrap();
        assert!(output.status.success());
        String::from_utf8(output.stdout).unwrap()
    };
    let text = printed(&full);
    let (name, time) = text.trim().split_once(' ').unwrap();
    assert_eq!(name, "cam-001");
    assert!(time.parse::<jiff::Timestamp>().is_ok(), "{time}");
    assert_eq!(printed(&small), text);
}
