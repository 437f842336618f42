//! Receiving a connection together with the bytes it travels with (SCM_RIGHTS).

use std::io::{Error, ErrorKind, Result};
use std::mem::{size_of, zeroed};
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;

/// Room for the control message of one descriptor, with a `cmsghdr`'s alignment.
const CONTROL_SLOTS: usize = 4;

/// Fills `bytes` from the socket and returns the one descriptor that came with them.
///
/// Reads not a byte more than that: what follows is a frame, and a descriptor is lost for good when its bytes are
/// read without asking for it (H-05).
pub fn receive_connection(socket: &UnixStream, bytes: &mut [u8]) -> Result<UnixStream> {
    let mut received: Option<OwnedFd> = None;
    let mut filled = 0;
    while filled < bytes.len() {
        let (count, descriptor) = receive_some(socket, &mut bytes[filled..])?;
        if let Some(descriptor) = descriptor {
            received = Some(descriptor);
        }
        if count == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        filled += count;
    }
    let descriptor = received.ok_or_else(|| Error::new(ErrorKind::InvalidData, "no descriptor came with the token"))?;
    Ok(UnixStream::from(descriptor))
}

fn receive_some(socket: &UnixStream, bytes: &mut [u8]) -> Result<(usize, Option<OwnedFd>)> {
    // SAFETY: an all-zero cmsghdr is valid, and so is an all-zero msghdr.
    let mut control: [libc::cmsghdr; CONTROL_SLOTS] = unsafe { zeroed() };
    let mut message: libc::msghdr = unsafe { zeroed() };
    let mut part = libc::iovec { iov_base: bytes.as_mut_ptr().cast(), iov_len: bytes.len() };
    message.msg_iov = &mut part;
    message.msg_iovlen = 1;
    message.msg_control = control.as_mut_ptr().cast();
    message.msg_controllen = size_of::<[libc::cmsghdr; CONTROL_SLOTS]>() as _;

    // SAFETY: `message` points at live buffers of the lengths it names.
    let count = unsafe { libc::recvmsg(socket.as_raw_fd(), &mut message, RECEIVE_FLAGS) };
    if count < 0 {
        return Err(Error::last_os_error());
    }
    // SAFETY: the kernel has filled `control` up to the length now in `message`, in well-formed headers.
    let descriptor = unsafe { first_descriptor(&message) };
    if message.msg_flags & libc::MSG_CTRUNC != 0 {
        return Err(Error::new(ErrorKind::InvalidData, "more control data than one descriptor"));
    }
    Ok((count as usize, descriptor))
}

#[cfg(target_os = "linux")]
const RECEIVE_FLAGS: libc::c_int = libc::MSG_CMSG_CLOEXEC;
#[cfg(not(target_os = "linux"))]
const RECEIVE_FLAGS: libc::c_int = 0;

/// # Safety
/// `message` must hold the control data of a successful `recvmsg` whose descriptors have no owner yet.
unsafe fn first_descriptor(message: &libc::msghdr) -> Option<OwnedFd> {
    let header = libc::CMSG_FIRSTHDR(message);
    let kind = header.as_ref()?;
    let rights = kind.cmsg_level == libc::SOL_SOCKET && kind.cmsg_type == libc::SCM_RIGHTS;
    rights.then(|| OwnedFd::from_raw_fd(libc::CMSG_DATA(header).cast::<RawFd>().read_unaligned()))
}
