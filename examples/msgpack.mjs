// As much msgpack as Sightline's TCP messages need, written out by hand: maps, arrays, text, numbers, binaries.

/** A value as msgpack. Numbers become float 64 or int 64; any reader takes both. */
export function encode(value) {
  if (value === null) return Buffer.of(0xc0);
  if (typeof value === "boolean") return Buffer.of(value ? 0xc3 : 0xc2);
  if (typeof value === "number") {
    const bytes = Buffer.alloc(9);
    const whole = Number.isSafeInteger(value);
    bytes[0] = whole ? 0xd3 : 0xcb;
    if (whole) bytes.writeBigInt64BE(BigInt(value), 1);
    else bytes.writeDoubleBE(value, 1);
    return bytes;
  }
  if (typeof value === "string") return headed(0xdb, Buffer.from(value));
  if (value instanceof Uint8Array) return headed(0xc6, value);
  if (Array.isArray(value)) return Buffer.concat([sized(0xdd, value.length), ...value.map(encode)]);
  const entries = Object.entries(value);
  return Buffer.concat([sized(0xdf, entries.length), ...entries.flat().map(encode)]);
}

const headed = (type, bytes) => Buffer.concat([sized(type, bytes.length), bytes]);

function sized(type, length) {
  const bytes = Buffer.alloc(5);
  bytes[0] = type;
  bytes.writeUInt32BE(length, 1);
  return bytes;
}

/** The one value in these bytes. */
export function decode(bytes) {
  let at = 0;
  const uint = (size) => bytes.readUIntBE((at += size) - size, size);
  const take = (length) => bytes.subarray(at, (at += length));
  const text = (length) => take(length).toString();
  const array = (length) => Array.from({ length }, read);
  const map = (length) => Object.fromEntries(Array.from({ length }, () => [read(), read()]));
  const number = (size, method) => Number(bytes[method]((at += size) - size));

  function read() {
    const type = uint(1);
    if (type < 0x80) return type;
    if (type < 0x90) return map(type & 15);
    if (type < 0xa0) return array(type & 15);
    if (type < 0xc0) return text(type & 31);
    if (type >= 0xe0) return type - 256;
    switch (type) {
      case 0xc0: return null;
      case 0xc2: return false;
      case 0xc3: return true;
      case 0xc4: return take(uint(1));
      case 0xc5: return take(uint(2));
      case 0xc6: return take(uint(4));
      case 0xca: return number(4, "readFloatBE");
      case 0xcb: return number(8, "readDoubleBE");
      case 0xcc: return uint(1);
      case 0xcd: return uint(2);
      case 0xce: return uint(4);
      case 0xcf: return number(8, "readBigUInt64BE");
      case 0xd0: return number(1, "readInt8");
      case 0xd1: return number(2, "readInt16BE");
      case 0xd2: return number(4, "readInt32BE");
      case 0xd3: return number(8, "readBigInt64BE");
      case 0xd9: return text(uint(1));
      case 0xda: return text(uint(2));
      case 0xdb: return text(uint(4));
      case 0xdc: return array(uint(2));
      case 0xdd: return array(uint(4));
      case 0xde: return map(uint(2));
      case 0xdf: return map(uint(4));
      default: throw new Error(`msgpack type 0x${type.toString(16)}: Sightline sends none of these`);
    }
  }
  return read();
}
