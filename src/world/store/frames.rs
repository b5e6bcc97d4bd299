//! Frames: a picture and its thumbnail as files, and the row that names them.
//!
//! Removal is in `retention`, what a crash leaves behind is in `repair`.

use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;
use sqlx::FromRow;

use super::error::StoreError;
use super::pictures::{PICTURE_BYTES_MAX, file_name, thumbnail_of};
use super::writer::{Tx, Write};
use super::{LIST_MAX, Store, count, number, on_disk};
use crate::model::desired::Backend;
use crate::model::frame::{Frame, FrameId, SweepId};
use crate::model::names::CameraName;

/// A picture that is not stored yet.
#[derive(Debug, Clone)]
pub struct NewFrame {
    /// Whose picture.
    pub camera: CameraName,
    /// The sweep that took it.
    pub sweep: Option<SweepId>,
    /// When it was received; kept in whole milliseconds.
    pub captured_at: Timestamp,
    /// How it was taken.
    pub backend: Backend,
    /// Pixels across.
    pub width: u32,
    /// Pixels down.
    pub height: u32,
    /// The picture, at most [`PICTURE_BYTES_MAX`].
    pub jpeg: Bytes,
    /// The small picture, a JPEG too.
    pub thumbnail: Bytes,
}

/// Columns of a frame, in the order of [`FrameRow`]'s fields.
macro_rules! select_frames {
    ($rest:literal) => {
        concat!(
            "SELECT f.id, f.camera, f.captured_at, f.backend, f.width, f.height, f.bytes, \
             f.thumbnail_bytes, f.file, f.sweep_id, f.detected FROM ",
            $rest
        )
    };
}

impl Store {
    /// Stores a picture: its files, then its row; on failure neither is left.
    ///
    /// Finished even when the caller goes away in between.
    pub async fn save_frame(&self, frame: NewFrame) -> Result<Frame, StoreError> {
        for (what, size) in
            [("a picture", frame.jpeg.len()), ("a thumbnail", frame.thumbnail.len())]
        {
            let size = size as u64;
            if size > PICTURE_BYTES_MAX {
                return Err(StoreError::TooLarge { what, size, limit: PICTURE_BYTES_MAX });
            }
        }
        let pictures = Arc::clone(&self.inner.pictures);
        let writes = self.inner.writes.clone();
        on_disk(&self.inner.saving, move || {
            let row = InsertFrame::of(&frame)?;
            let file = row.0.file.clone();
            let _in_flight = pictures.begin(&file);
            pictures.write(&file, &frame.jpeg, &frame.thumbnail)?;
            let saved = writes.submit_blocking(row);
            if saved.is_err() {
                pictures.remove(&file)?;
            }
            saved
        })
        .await
    }

    /// One frame; [`StoreError::NotFound`] when it does not exist or was deleted.
    pub async fn frame(&self, id: FrameId) -> Result<Frame, StoreError> {
        sqlx::query_as::<_, FrameRow>(select_frames!("frames f WHERE f.id = ?"))
            .bind(id)
            .fetch_optional(&self.inner.reads)
            .await?
            .ok_or_else(|| StoreError::NotFound(format!("frame {id}")))?
            .frame()
    }

    /// Frames of a camera, newest first, those before `before` where given; at most [`LIST_MAX`].
    pub async fn frames_of(
        &self,
        camera: &CameraName,
        before: Option<FrameId>,
        limit: u32,
    ) -> Result<Vec<Frame>, StoreError> {
        let rows = sqlx::query_as::<_, FrameRow>(select_frames!(
            "frames f WHERE f.camera = ? AND f.id < ? ORDER BY f.id DESC LIMIT ?"
        ))
        .bind(camera.as_str())
        .bind(before.unwrap_or(i64::MAX))
        .bind(limit.min(LIST_MAX))
        .fetch_all(&self.inner.reads)
        .await?;
        rows.into_iter().map(FrameRow::frame).collect()
    }

    /// The newest frame of every camera that has one, in order of the cameras' names.
    pub async fn latest_frames(&self) -> Result<Vec<Frame>, StoreError> {
        // Hops from name to name on the index: grouping would read all of it.
        let rows = sqlx::query_as::<_, FrameRow>(concat!(
            "WITH RECURSIVE cameras(name) AS (SELECT MIN(camera) FROM frames UNION ALL \
             SELECT (SELECT MIN(camera) FROM frames WHERE camera > name) FROM cameras \
             WHERE name IS NOT NULL) ",
            select_frames!(
                "cameras JOIN frames f \
                 ON f.id = (SELECT MAX(id) FROM frames WHERE camera = cameras.name) \
                 ORDER BY f.camera"
            )
        ))
        .fetch_all(&self.inner.reads)
        .await?;
        rows.into_iter().map(FrameRow::frame).collect()
    }

    /// The picture; [`StoreError::NotFound`] when its file is gone or not whole.
    pub async fn image(&self, frame: &Frame) -> Result<Bytes, StoreError> {
        self.load(frame.file.clone(), frame.bytes).await
    }

    /// The small picture, likewise.
    pub async fn thumbnail(&self, frame: &Frame) -> Result<Bytes, StoreError> {
        self.load(thumbnail_of(&frame.file), frame.thumbnail_bytes).await
    }

    async fn load(&self, file: String, size: u64) -> Result<Bytes, StoreError> {
        let pictures = Arc::clone(&self.inner.pictures);
        on_disk(&self.inner.loading, move || pictures.read(&file, size).map(Bytes::from)).await
    }
}

/// Writes the row of a frame whose files are there; the number in it is not used.
pub(super) struct InsertFrame(pub(super) Frame);

impl InsertFrame {
    pub(super) fn of(new: &NewFrame) -> Result<Self, StoreError> {
        Ok(Self(Frame {
            id: 0,
            camera: new.camera.clone(),
            captured_at: timestamp(new.captured_at.as_millisecond(), "frames")?,
            backend: new.backend,
            width: new.width,
            height: new.height,
            bytes: new.jpeg.len() as u64,
            thumbnail_bytes: new.thumbnail.len() as u64,
            file: file_name(&new.camera, new.captured_at),
            sweep: new.sweep,
            detected: false,
        }))
    }
}

impl Write for InsertFrame {
    type Out = Frame;

    async fn apply(&self, tx: &mut Tx<'_>) -> Result<Frame, StoreError> {
        let frame = &self.0;
        let id: i64 = sqlx::query_scalar(
            "INSERT INTO frames (camera, captured_at, backend, width, height, bytes, \
             thumbnail_bytes, file, sweep_id, detected) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 0) \
             RETURNING id",
        )
        .bind(frame.camera.as_str())
        .bind(frame.captured_at.as_millisecond())
        .bind(frame.backend.as_str())
        .bind(frame.width)
        .bind(frame.height)
        .bind(number(frame.bytes))
        .bind(number(frame.thumbnail_bytes))
        .bind(&frame.file)
        .bind(frame.sweep)
        .fetch_one(&mut *tx.conn)
        .await?;
        tx.tally.frames(false, 1, number(frame.bytes + frame.thumbnail_bytes));
        Ok(Frame { id, ..frame.clone() })
    }
}

#[derive(FromRow)]
struct FrameRow {
    id: i64,
    camera: String,
    captured_at: i64,
    backend: String,
    width: u32,
    height: u32,
    bytes: i64,
    thumbnail_bytes: i64,
    file: String,
    sweep_id: Option<i64>,
    detected: i64,
}

impl FrameRow {
    fn frame(self) -> Result<Frame, StoreError> {
        Ok(Frame {
            id: self.id,
            camera: camera_name(&self.camera, "frames")?,
            captured_at: timestamp(self.captured_at, "frames")?,
            backend: backend(&self.backend, "frames")?,
            width: self.width,
            height: self.height,
            bytes: count(self.bytes),
            thumbnail_bytes: count(self.thumbnail_bytes),
            file: self.file,
            sweep: self.sweep_id,
            detected: self.detected != 0,
        })
    }
}

/// A moment from a row of `table`.
pub(super) fn timestamp(millis: i64, table: &str) -> Result<Timestamp, StoreError> {
    Timestamp::from_millisecond(millis).map_err(|error| StoreError::bad_row(table, error))
}

/// A camera's name from a row of `table`.
pub(super) fn camera_name(text: &str, table: &str) -> Result<CameraName, StoreError> {
    CameraName::parse(text).map_err(|error| StoreError::bad_row(table, error))
}

/// A backend from a row of `table`.
pub(super) fn backend(word: &str, table: &str) -> Result<Backend, StoreError> {
    let all = [Backend::Live, Backend::Native, Backend::Gateway, Backend::Ffmpeg, Backend::Http];
    all.into_iter()
        .find(|backend| backend.as_str() == word)
        .ok_or_else(|| StoreError::bad_row(table, format!("the backend `{word}`")))
}
