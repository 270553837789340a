// What only the keeper of this start can open: crypto_box_seal of libsodium (src/vault/seal.h).
import {blake2b} from './blake2b.js';
import {join, wipe} from './bytes.js';
import {hsalsa20, secretbox} from './salsa20.js';

const CURVE = {name: 'X25519'};

// False: this browser has no X25519.
export async function canSeal() {
  try {
    await crypto.subtle.generateKey(CURVE, false, ['deriveBits']);
    return true;
  } catch {
    return false;
  }
}

export async function seal(publicKey, plain) {
  const pair = await crypto.subtle.generateKey(CURVE, false, ['deriveBits']);
  const own = new Uint8Array(await crypto.subtle.exportKey('raw', pair.publicKey));
  const other = await crypto.subtle.importKey('raw', publicKey, CURVE, false, []);
  const shared = new Uint8Array(await crypto.subtle.deriveBits({...CURVE, public: other}, pair.privateKey, 256));
  const key = hsalsa20(shared, new Uint8Array(16));
  const box = secretbox(key, blake2b(join(own, publicKey), 24), plain);
  wipe(shared, key);
  return join(own, box);
}
