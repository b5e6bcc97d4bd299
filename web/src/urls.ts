/** Addresses of pictures. The frame's number makes an address new exactly when the picture is. */

export function thumbnailUrl(camera: string, frame: number): string {
  return `/api/v1/cameras/${encodeURIComponent(camera)}/thumbnail.jpg?v=${frame}`;
}

export function snapshotUrl(camera: string, frame: number): string {
  return `/api/v1/cameras/${encodeURIComponent(camera)}/snapshot.jpg?v=${frame}`;
}

export function frameThumbnailUrl(frame: number): string {
  return `/api/v1/frames/${frame}/thumbnail.jpg`;
}
