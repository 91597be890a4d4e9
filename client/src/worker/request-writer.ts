/** The bytes of one request on their way into the segments: counts them, and stops at the request's present end. */

import type { RequestSink } from "../transport/source.ts";
import type { SegmentIntake } from "./segment-intake.ts";

export class RequestWriter implements RequestSink {
  readonly #intake: SegmentIntake;
  readonly #startByte: number;
  readonly #received: (receivedBytes: number) => void;
  #nextByte: number;
  #endByte: number;

  /** @param received called after each write with all bytes so far. */
  constructor(intake: SegmentIntake, startByte: number, endByte: number, received: (receivedBytes: number) => void) {
    this.#intake = intake;
    this.#startByte = startByte;
    this.#nextByte = startByte;
    this.#endByte = endByte;
    this.#received = received;
  }

  get missingBytes(): number {
    return Math.max(0, this.#endByte - this.#nextByte);
  }

  async room(): Promise<number> {
    if (this.missingBytes === 0) return 0;
    const room = await this.#intake.room(this.#nextByte);
    return Math.min(room, this.missingBytes); // the range may have been shortened meanwhile
  }

  write(bytes: Uint8Array): void {
    const wanted = bytes.subarray(0, this.missingBytes);
    if (wanted.byteLength === 0) return;
    this.#intake.write(this.#nextByte, wanted);
    this.#nextByte += wanted.byteLength;
    this.#received(this.#nextByte - this.#startByte);
  }

  /** Nothing from `endByte` on is wanted. */
  shorten(endByte: number): void {
    this.#endByte = Math.min(this.#endByte, endByte);
  }

  /** Nothing more is wanted; what comes late is dropped. */
  close(): void {
    this.#endByte = this.#nextByte;
  }
}
