/**
 * Draws the app's icon as PNG: the mark of the front page (`front_page.py`), white on the accent's blue.
 *
 * Own code instead of a rasteriser: three lines and four circles. Each pixel's coverage comes from its distance to the
 * shapes, so edges are smooth; the mark stays within the circle that no platform cuts off (maskable icons).
 */
import { deflateSync } from "node:zlib";

/** Of the mark's own square, which is 24 wide. */
const CENTRE = [12, 12];
const CIRCLES = [
  [12, 12, 3.4],
  [4, 5, 2.4],
  [20, 5, 2.4],
  [12, 21, 2.4],
];
const LINES = CIRCLES.slice(1).map(([x, y]) => [x, y]);
const LINE_HALF = 1;

const GROUND = [0x1f, 0x5f, 0xd0];
const MARK = [0xff, 0xff, 0xff];

/** The mark's part of the icon's width: inside the safe circle of maskable icons, which is 80 % wide. */
const MARK_SHARE = 0.56;

/** The icon as a PNG of `size` by `size` pixels. */
export function drawIcon(size) {
  const scale = 24 / (size * MARK_SHARE);
  const rows = Buffer.alloc(size * (1 + 3 * size));
  for (let y = 0; y < size; y += 1) {
    for (let x = 0; x < size; x += 1) {
      const distance = distanceToMark(12 + (x + 0.5 - size / 2) * scale, 12.5 + (y + 0.5 - size / 2) * scale);
      const covered = Math.min(1, Math.max(0, 0.5 - distance / scale));
      const at = y * (1 + 3 * size) + 1 + 3 * x; // a row begins with its filter: none
      for (let channel = 0; channel < 3; channel += 1) {
        rows[at + channel] = Math.round(GROUND[channel] + (MARK[channel] - GROUND[channel]) * covered);
      }
    }
  }
  const header = Buffer.alloc(13);
  header.writeUInt32BE(size, 0);
  header.writeUInt32BE(size, 4);
  header.set([8, 2], 8); // 8 bits a channel, RGB
  return Buffer.concat([
    Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]),
    chunk("IHDR", header),
    chunk("IDAT", deflateSync(rows, { level: 9 })),
    chunk("IEND", Buffer.alloc(0)),
  ]);
}

/** Signed distance in the mark's units: below 0 inside. */
function distanceToMark(x, y) {
  const toCircles = CIRCLES.map(([cx, cy, radius]) => Math.hypot(x - cx, y - cy) - radius);
  const toLines = LINES.map(([endX, endY]) => distanceToLine(x, y, endX, endY) - LINE_HALF);
  return Math.min(...toCircles, ...toLines);
}

/** To the stretch from the centre to an end. */
function distanceToLine(x, y, endX, endY) {
  const [startX, startY] = CENTRE;
  const [alongX, alongY] = [endX - startX, endY - startY];
  const share = ((x - startX) * alongX + (y - startY) * alongY) / (alongX ** 2 + alongY ** 2);
  const at = Math.min(1, Math.max(0, share));
  return Math.hypot(x - startX - at * alongX, y - startY - at * alongY);
}

function chunk(type, data) {
  const body = Buffer.concat([Buffer.from(type, "latin1"), data]);
  const framed = Buffer.alloc(body.length + 8);
  framed.writeUInt32BE(data.length, 0);
  body.copy(framed, 4);
  framed.writeUInt32BE(crc32(body), body.length + 4);
  return framed;
}

/** The CRC of PNG and gzip (ISO 3309). */
function crc32(bytes) {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit += 1) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return (crc ^ 0xffffffff) >>> 0;
}
