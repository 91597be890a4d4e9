/**
 * Taking work over: from requests that stall or crawl, and at the end from the slowest (S10 to S12).
 *
 * Pure: reads the ledger and the sources, changes nothing.
 */

import { chooseOpenWork, requestSegments, type Outlook, type Pick } from "./choice.ts";
import { divide, divideUp, multiplyDivide } from "./exact.ts";
import { alignDown, alignUp } from "./ledger.ts";
import type { Request } from "./requests.ts";
import type { Source } from "./sources.ts";
import {
  ALIGN_BYTES,
  MICROS_PER_S,
  SLOW_AFTER_US,
  SLOW_FACTOR,
  SLOW_SEGMENT_US,
  STEAL_AFTER_US,
  STEAL_GAIN_US_MIN,
} from "./tuning.ts";

/** The next thing that a source with a free slot should do; null: nothing. */
export function choose(outlook: Outlook, source: Source): Pick | null {
  const rescue = chooseRescue(outlook, source);
  if (rescue !== null || source.requests.some((request) => request.stalled)) return rescue;
  const work = chooseOpenWork(outlook, source);
  if (work !== null || source.requests.length > 0) return work;
  return chooseSteal(outlook, source);
}

/** A hedge for the segment that a stalled or slow request fills, or its end where nobody may mix (S12). */
function chooseRescue(outlook: Outlook, source: Source): Pick | null {
  const { ledger } = outlook;
  for (const request of ledger.requests.values()) {
    if (request.rival !== null || request.remainingBytes === 0) continue;
    if (!request.stalled && !isSlow(outlook, request, source)) continue;
    if (request.source === source && !outlook.isSole(source)) continue;
    const index = ledger.currentSegment(request);
    if (!source.holds(index, index + 1)) continue;
    if (ledger.mayMix(request) && !source.suspected) {
      return {
        kind: "hedge",
        start: alignDown(request.position),
        end: Math.min(request.end, ledger.endOf(index)),
        rival: request,
        forSlowness: !request.stalled,
      };
    }
    if (request.source === source) continue;
    if (!ledger.mayMix(request) || !outlook.canBeMixedByOthers(index, source, request.source)) {
      return { kind: "drop", victim: request };
    }
  }
  return null;
}

/** Does `rescuer` finish much earlier what `request` still needs long for? */
function isSlow(outlook: Outlook, request: Request, rescuer: Source): boolean {
  if (outlook.nowUs - request.startedUs < SLOW_AFTER_US || request.source === rescuer) return false;
  const rate = request.source.requestRate(outlook.nowUs);
  const rescuerRate = rescuer.rate.at(outlook.nowUs);
  if (rate === null || rescuerRate === null || rescuerRate < SLOW_FACTOR * rate) return false;
  const index = outlook.ledger.currentSegment(request);
  const rest = Math.min(request.end, outlook.ledger.endOf(index)) - request.position;
  return multiplyDivide(rest, MICROS_PER_S, rate) > SLOW_SEGMENT_US;
}

/** The far part of the request that would end last, or all that is left of it (S10, S11). */
function chooseSteal(outlook: Outlook, source: Source): Pick | null {
  const ownRate = source.rate.at(outlook.nowUs);
  const spares = source.kind === "mirror";
  const peersNeedUs = spares ? outlook.peersNeedUs() : 0;
  const victims: { leftUs: number; request: Request; rate: number }[] = [];
  for (const request of outlook.ledger.requests.values()) {
    if (request.source === source || request.rival !== null || request.stalled || request.remainingBytes === 0)
      continue;
    const silentUs = outlook.silentUs(request);
    if (spares && request.source.kind === "peer" && !outlook.isPatienceOver(Math.max(peersNeedUs, silentUs))) continue;
    let rate = request.source.requestRate(outlook.nowUs);
    if (rate === null && outlook.nowUs - request.startedUs < STEAL_AFTER_US) continue;
    rate ??= Math.min(ownRate ?? Infinity, rateSoFar(request, outlook.nowUs));
    if (silentUs > 0) rate = Math.min(rate, multiplyDivide(request.remainingBytes, MICROS_PER_S, silentUs) || 1);
    victims.push({ leftUs: multiplyDivide(request.remainingBytes, MICROS_PER_S, rate), request, rate });
  }
  victims.sort((a, b) => b.leftUs - a.leftUs || a.request.requestId - b.request.requestId);
  for (const { request, rate } of victims) {
    const pick = hedge(outlook, source, request, rate) ?? split(outlook, source, request, rate, ownRate ?? rate);
    if (pick !== null) return pick;
  }
  return null;
}

/** What a request of unknown rate comes to if its next block comes now (S10). */
function rateSoFar(request: Request, nowUs: number): number {
  const bytes = request.position - request.start + ALIGN_BYTES;
  return Math.max(1, multiplyDivide(bytes, MICROS_PER_S, nowUs - request.startedUs));
}

/** The far part of `request`, so large that both end together (S10). */
function split(outlook: Outlook, source: Source, request: Request, rate: number, thiefRate: number): Pick | null {
  const { ledger } = outlook;
  if (ledger.solo.has(ledger.currentSegment(request))) return null;
  const mixing = !source.suspected && !request.source.suspected;
  const guard = multiplyDivide(rate, source.rate.latencyUs, MICROS_PER_S);
  let low = alignUp(request.position + guard);
  if (!mixing) low = segmentUp(outlook, low);
  if (low >= request.end) return null;
  let high = request.end;
  if (source.holdings !== null) {
    const held = [...source.holdings.within(...ledger.segmentsOf(low, request.end))].at(-1);
    if (held === undefined) return null;
    low = Math.max(low, ledger.startOf(held[0]));
    high = Math.min(high, ledger.endOf(held[1] - 1));
  }
  const fair = multiplyDivide(request.remainingBytes - guard, thiefRate, rate + thiefRate);
  const part = Math.min(fair, high - low);
  if (part <= 0) return null;
  let start = alignUp(high - part);
  const onSegment = segmentUp(outlook, start);
  if (onSegment < high && (!mixing || 2 * (high - onSegment) >= part)) start = onSegment;
  else if (!mixing) return null;
  if (start >= high || multiplyDivide(high - start, MICROS_PER_S, rate) < STEAL_GAIN_US_MIN) return null;
  if (!ledger.hasRoom(ledger.segmentAt(start))) return null;
  const size = ledger.segmentSizeBytes;
  const wanted = requestSegments(outlook, source) * size;
  const end = high - start > wanted ? divide(start + wanted, size) * size : high;
  return { kind: "steal", start, end, victim: request };
}

/** All that is left of `request`, when that is in one segment and we are much faster (S11). */
function hedge(outlook: Outlook, source: Source, request: Request, rate: number): Pick | null {
  const { ledger } = outlook;
  const index = ledger.currentSegment(request);
  const ownRate = source.rate.at(outlook.nowUs);
  if (ownRate === null || request.end > ledger.endOf(index) || !source.holds(index, index + 1)) return null;
  if (source.suspected || !ledger.mayMix(request)) return null;
  const start = alignDown(request.position);
  const ownUs = source.rate.latencyUs + multiplyDivide(request.end - start, MICROS_PER_S, ownRate);
  const leftUs = multiplyDivide(request.remainingBytes, MICROS_PER_S, rate);
  if (2 * leftUs <= 3 * ownUs + 2 * STEAL_GAIN_US_MIN) return null;
  // A split is better where the part that stays with the victim does not take it longer than we need for all.
  const stays = multiplyDivide(rate, source.rate.latencyUs, MICROS_PER_S) + ALIGN_BYTES;
  if (multiplyDivide(stays, MICROS_PER_S, rate) <= ownUs) return null;
  return { kind: "hedge", start, end: request.end, rival: request, forSlowness: false };
}

function segmentUp(outlook: Outlook, byte: number): number {
  const size = outlook.ledger.segmentSizeBytes;
  return divideUp(byte, size) * size;
}
