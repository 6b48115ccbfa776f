// Times and durations as people write them.

const UNITS = { ms: 0.001, s: 1, m: 60, h: 3600, d: 86400, w: 604800, y: 31536000 };
const RANGES = ["1m", "5m", "15m", "30m", "1h", "2h", "6h", "12h", "1d", "2d", "1w", "2w", "4w", "8w", "1y"];

export function durationSeconds(text) {
  if (/^\d+(\.\d+)?$/.test(text)) return Number(text);
  const parts = [...text.matchAll(/(\d+(?:\.\d+)?)(ms|[smhdwy])/g)];
  if (!parts.length || parts.map((part) => part[0]).join("") !== text) throw new Error(`bad duration: ${text}`);
  return parts.reduce((sum, [, count, unit]) => sum + count * UNITS[unit], 0);
}

export function durationText(seconds) {
  let left = Math.round(seconds), text = "";
  for (const [unit, size] of [["d", 86400], ["h", 3600], ["m", 60], ["s", 1]]) {
    if (left >= size) { text += `${Math.floor(left / size)}${unit}`; left %= size; }
  }
  return text || "1s";
}

// The next longer (or, with -1, shorter) of the usual ranges.
export function longer(text, direction) {
  const now = durationSeconds(text), all = RANGES.map(durationSeconds);
  const at = direction > 0 ? all.findIndex((each) => each > now) : all.findLastIndex((each) => each < now);
  return at < 0 ? text : RANGES[at];
}

const pad = (number) => String(number).padStart(2, "0");

// What a datetime-local field holds, in the reader's own time zone; null for an empty one.
export const fromLocal = (text) => (text ? new Date(text).getTime() / 1000 : null);

export function toLocal(seconds) {
  const at = new Date(seconds * 1000);
  const day = `${at.getFullYear()}-${pad(at.getMonth() + 1)}-${pad(at.getDate())}`;
  return `${day}T${pad(at.getHours())}:${pad(at.getMinutes())}:${pad(at.getSeconds())}`;
}
