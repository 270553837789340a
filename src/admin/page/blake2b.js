// BLAKE2b (RFC 7693). A word of 64 bits is two of a Uint32Array, the lower half first: as they lie in memory on every
// machine that runs a browser.

const IV = new Uint32Array([
  0xf3bcc908, 0x6a09e667, 0x84caa73b, 0xbb67ae85, 0xfe94f82b, 0x3c6ef372, 0x5f1d36f1, 0xa54ff53a,
  0xade682d1, 0x510e527f, 0x2b3e6c1f, 0x9b05688c, 0xfb41bd6b, 0x1f83d9ab, 0x137e2179, 0x5be0cd19]);

const SIGMA = [
  [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15],
  [14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3],
  [11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4],
  [7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8],
  [9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13],
  [2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9],
  [12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11],
  [13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10],
  [6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5],
  [10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0]];

const MIX = [[0, 4, 8, 12], [1, 5, 9, 13], [2, 6, 10, 14], [3, 7, 11, 15],
  [0, 5, 10, 15], [1, 6, 11, 12], [2, 7, 8, 13], [3, 4, 9, 14]];

const BLOCK = 128;

// v[a] += v[b], and a word of the message where there is one. Positions count halves.
function add(v, a, b, m, at) {
  const low = v[a] + v[b] + (m ? m[at] : 0);
  v[a + 1] += v[b + 1] + (m ? m[at + 1] : 0) + Math.floor(low / 2 ** 32);
  v[a] = low;
}

// v[a] = (v[a] ^ v[b]) rotated right, by 1 to 63.
function turn(v, a, b, by) {
  let low = v[a] ^ v[b], high = v[a + 1] ^ v[b + 1];
  if (by >= 32)
    [low, high, by] = [high, low, by - 32];
  v[a] = by === 0 ? low : low >>> by | high << 32 - by;
  v[a + 1] = by === 0 ? high : high >>> by | low << 32 - by;
}

function mix(v, [a, b, c, d], m, x, y) {
  [a, b, c, d] = [2 * a, 2 * b, 2 * c, 2 * d];
  add(v, a, b, m, 2 * x);
  turn(v, d, a, 32);
  add(v, c, d);
  turn(v, b, c, 24);
  add(v, a, b, m, 2 * y);
  turn(v, d, a, 16);
  add(v, c, d);
  turn(v, b, c, 63);
}

function compress(h, m, count, last) {
  const v = new Uint32Array(32);
  v.set(h);
  v.set(IV, 16);
  v[24] ^= count;
  if (last) {
    v[28] = ~v[28];
    v[29] = ~v[29];
  }
  for (let round = 0; round < 12; round++)
    MIX.forEach((words, i) => mix(v, words, m, SIGMA[round % 10][2 * i], SIGMA[round % 10][2 * i + 1]));
  for (let i = 0; i < 16; i++)
    h[i] ^= v[i] ^ v[i + 16];
  v.fill(0);
}

// `length` bytes, 1 to 64; the key has at most 64. No more than 4 GiB of data.
export function blake2b(data, length, key = new Uint8Array(0)) {
  const h = IV.slice();
  h[0] ^= 0x01010000 ^ key.length << 8 ^ length;
  const all = new Uint8Array((key.length ? BLOCK : 0) + data.length);
  all.set(key);
  all.set(data, key.length ? BLOCK : 0);
  const block = new Uint8Array(BLOCK), words = new Uint32Array(block.buffer);
  const blocks = Math.max(1, Math.ceil(all.length / BLOCK));
  for (let i = 0; i < blocks; i++) {
    const part = all.subarray(i * BLOCK, (i + 1) * BLOCK);
    block.fill(0);
    block.set(part);
    compress(h, words, i * BLOCK + part.length, i === blocks - 1);
  }
  all.fill(0);
  block.fill(0);
  return new Uint8Array(h.buffer, 0, length).slice();
}
