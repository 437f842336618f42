import { readFileSync } from 'node:fs';
import os from 'node:os';
import { hasProc } from './proc.js';

/** Of the fields behind the program's name, which may hold spaces. */
const REAL_TIME_PRIORITY_FIELD = 37;

/** How the kernel prefers this process to others, in words; `undefined` where it does not. */
export function priorityOfThisProcess(): string | undefined {
  return priorityIn(hasProc ? readFileSync('/proc/self/stat', 'utf8') : '', os.getPriority());
}

/** @param stat the text of /proc/self/stat, empty where there is none */
export function priorityIn(stat: string, nice: number): string | undefined {
  const fields = stat.slice(stat.lastIndexOf(') ') + 2).split(' ');
  const realTime = Number(fields[REAL_TIME_PRIORITY_FIELD] ?? 0);
  if (realTime > 0) return `real-time priority ${realTime}`;
  return nice === 0 ? undefined : `nice ${nice}`;
}
