/** Whether the numbers of a version lie below those of another. Pre-releases are not compared (V-56). */
export function isBelow(version: string, floor: string): boolean {
  const numbers = numbersIn(version);
  for (const [index, least] of numbersIn(floor).entries()) {
    const number = numbers[index] ?? 0n;
    if (number !== least) return number < least;
  }
  return false;
}

function numbersIn(version: string): bigint[] {
  return (version.replace(/^v/, '').split('-')[0] ?? '').split('.').map(BigInt);
}
