/** Addresses of pictures and sockets. A frame's number makes an address new exactly when the picture is. */

export function thumbnailUrl(camera: string, frame: number): string {
  return `/api/v1/cameras/${encodeURIComponent(camera)}/thumbnail.jpg?v=${frame}`;
}

export function snapshotUrl(camera: string, frame: number): string {
  return `/api/v1/cameras/${encodeURIComponent(camera)}/snapshot.jpg?v=${frame}`;
}

export function frameThumbnailUrl(frame: number): string {
  return `/api/v1/frames/${frame}/thumbnail.jpg`;
}

/** The socket at `path` of the server that the page came from. */
export function socketUrl(path: string, page: string): URL {
  const url = new URL(path, page);
  url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
  return url;
}
