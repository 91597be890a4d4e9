/**
 * A folder of the origin private file system in memory, with the behaviours that the store rests on: exclusive handles,
 * short writes at the quota (Firefox), and a look at the disk after every single change.
 */
import type { StoreFolder } from "../../src/storage/segment-store.ts";
import type { StoreHandle } from "../../src/storage/store-index.ts";

interface FakeFile {
  bytes: Uint8Array<ArrayBuffer>;
  open: boolean;
}

function failure(name: string): Error {
  const error = new Error(name);
  error.name = name;
  return error;
}

export class FakeFolder implements StoreFolder {
  readonly files = new Map<string, FakeFile>();
  readonly folders = new Map<string, FakeFolder>();
  readonly #root: FakeFolder;
  /** Bytes that all files may have; a write beyond is cut short. */
  quotaBytes = Infinity;
  /** Called after every change of the disk. */
  changed: () => void = () => undefined;

  constructor(root?: FakeFolder) {
    this.#root = root ?? this;
  }

  get sizeBytes(): number {
    let sum = 0;
    for (const file of this.files.values()) sum += file.bytes.length;
    for (const folder of this.folders.values()) sum += folder.sizeBytes;
    return sum;
  }

  /** The disk as a browser finds it after a crash at this moment. */
  copy(root?: FakeFolder): FakeFolder {
    const twin = new FakeFolder(root);
    for (const [name, file] of this.files) twin.files.set(name, { bytes: file.bytes.slice(), open: false });
    for (const [name, folder] of this.folders) twin.folders.set(name, folder.copy(twin));
    return twin;
  }

  getFileHandle(name: string, options: { create: boolean }): ReturnType<StoreFolder["getFileHandle"]> {
    const file = this.files.get(name) ?? (options.create ? { bytes: new Uint8Array(0), open: false } : undefined);
    if (file === undefined) return Promise.reject(failure("NotFoundError"));
    if (!this.files.has(name)) {
      this.files.set(name, file);
      this.#root.changed();
    }
    return Promise.resolve({
      createSyncAccessHandle: () =>
        file.open ? Promise.reject(failure("NoModificationAllowedError")) : Promise.resolve(this.#handle(file)),
    });
  }

  getDirectoryHandle(name: string, options: { create: boolean }): Promise<FakeFolder> {
    let folder = this.folders.get(name);
    if (folder === undefined && options.create) {
      folder = new FakeFolder(this.#root);
      this.folders.set(name, folder);
    }
    return folder === undefined ? Promise.reject(failure("NotFoundError")) : Promise.resolve(folder);
  }

  removeEntry(name: string, options: { recursive?: boolean } = {}): Promise<void> {
    if (this.files.get(name)?.open === true) return Promise.reject(failure("NoModificationAllowedError"));
    if (this.folders.has(name) && options.recursive !== true) return Promise.reject(failure("InvalidModification"));
    if (!this.files.delete(name) && !this.folders.delete(name)) return Promise.reject(failure("NotFoundError"));
    this.#root.changed();
    return Promise.resolve();
  }

  async *keys(): AsyncGenerator<string> {
    for (const name of [...this.files.keys(), ...this.folders.keys()]) yield await Promise.resolve(name);
  }

  #handle(file: FakeFile): StoreHandle {
    file.open = true;
    const check = () => {
      if (!file.open) throw failure("InvalidStateError");
    };
    const resize = (sizeBytes: number) => {
      const bytes = new Uint8Array(sizeBytes);
      bytes.set(file.bytes.subarray(0, sizeBytes));
      file.bytes = bytes;
    };
    return {
      read: (target, { at }) => {
        check();
        const part = file.bytes.subarray(at, at + target.length);
        target.set(part);
        return part.length;
      },
      write: (source, { at }) => {
        check();
        const end = at + source.length;
        const growth = Math.max(0, end - file.bytes.length);
        if (this.#root.sizeBytes + growth > this.#root.quotaBytes) return 0;
        if (growth > 0) resize(end);
        file.bytes.set(source, at);
        this.#root.changed();
        return source.length;
      },
      truncate: (sizeBytes) => {
        check();
        resize(sizeBytes);
        this.#root.changed();
      },
      getSize: () => file.bytes.length,
      flush: check,
      close: () => {
        file.open = false;
      },
    };
  }
}
