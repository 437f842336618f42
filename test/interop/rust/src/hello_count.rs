//! Counts Hellos from outside the broker, which does not tell how many it has seen.

#[cfg(not(target_os = "linux"))]
pub use elsewhere::HelloCount;
#[cfg(target_os = "linux")]
pub use linux::HelloCount;

/// The broker reads the service's definition from disk for every Hello (V-54), and once when it starts; the kernel
/// can tell how often the file was opened. So what is counted are Hellos for *this* service that were well-formed
/// enough to be looked up, refused versions included.
#[cfg(target_os = "linux")]
mod linux {
    use std::ffi::CString;
    use std::io::Error;
    use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd};
    use std::os::unix::ffi::OsStrExt as _;
    use std::path::Path;
    use std::sync::{Mutex, PoisonError};

    /// Opens of the definition, as far as they have been read from the kernel.
    pub struct HelloCount {
        queue: OwnedFd,
        seen: Mutex<Seen>,
    }

    #[derive(Clone, Copy, Default)]
    struct Seen {
        opens: u64,
        /// The kernel dropped events, so the number is no longer right.
        overflowed: bool,
    }

    impl HelloCount {
        /// Starts counting for the definition at `file`, which must exist.
        pub fn watch(file: &Path) -> Result<Self, String> {
            let path = CString::new(file.as_os_str().as_bytes()).map_err(|error| error.to_string())?;
            // SAFETY: no pointers.
            let queue = unsafe { libc::inotify_init1(libc::IN_CLOEXEC | libc::IN_NONBLOCK) };
            if queue < 0 {
                return Err(format!("inotify_init1: {}", Error::last_os_error()));
            }
            // SAFETY: the descriptor is new and has no other owner.
            let queue = unsafe { OwnedFd::from_raw_fd(queue) };
            // Equal events in a row are merged into one. The closes between the opens prevent that.
            let wanted = libc::IN_OPEN | libc::IN_CLOSE_NOWRITE;
            // SAFETY: `path` is a live C string.
            if unsafe { libc::inotify_add_watch(queue.as_raw_fd(), path.as_ptr(), wanted) } < 0 {
                return Err(format!("inotify_add_watch: {}", Error::last_os_error()));
            }
            Ok(Self { queue, seen: Mutex::default() })
        }

        /// Takes over what the kernel has queued; to be called now and then, for the queue is limited.
        pub fn drain(&self) -> Option<u64> {
            let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            let mut buffer = [0_u8; 4096];
            loop {
                // SAFETY: the buffer is live and of that length.
                let count = unsafe { libc::read(self.queue.as_raw_fd(), buffer.as_mut_ptr().cast(), buffer.len()) };
                if count <= 0 {
                    break;
                }
                tally(&buffer[..count as usize], &mut seen);
            }
            (!seen.overflowed).then_some(seen.opens)
        }

        /// Hellos so far; each of the `starts` of the broker has opened the file once as well.
        pub fn hellos(&self, starts: u64) -> Option<u64> {
            self.drain().map(|opens| opens.saturating_sub(starts))
        }
    }

    fn tally(events: &[u8], seen: &mut Seen) {
        const HEADER: usize = std::mem::size_of::<libc::inotify_event>();
        let mut rest = events;
        while rest.len() >= HEADER {
            // SAFETY: at least one header is there; `read_unaligned` asks nothing of its address.
            let event = unsafe { rest.as_ptr().cast::<libc::inotify_event>().read_unaligned() };
            seen.opens += u64::from(event.mask & libc::IN_OPEN != 0);
            seen.overflowed |= event.mask & libc::IN_Q_OVERFLOW != 0;
            rest = rest.get(HEADER + event.len as usize..).unwrap_or_default();
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod elsewhere {
    use std::path::Path;

    /// Where the kernel cannot tell, there is no number.
    pub struct HelloCount;

    impl HelloCount {
        pub fn watch(_file: &Path) -> Result<Self, String> {
            Ok(Self)
        }

        pub fn drain(&self) -> Option<u64> {
            None
        }

        pub fn hellos(&self, _starts: u64) -> Option<u64> {
            None
        }
    }
}
