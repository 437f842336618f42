//! Where `serve` puts its files, and with which permissions.

use std::fs::{self, DirBuilder};
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt as _, FileTypeExt as _, PermissionsExt as _};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use running_process::broker::protocol::{BrokerIsolation, ServiceDefinition};
use running_process::broker::server::{write_service_definition, BrokerInstanceKey};

/// The files of one `serve`, all of them absolute.
pub struct Layout {
    pub broker: PathBuf,
    pub backend: PathBuf,
    pub handoff: PathBuf,
    pub definitions: PathBuf,
}

impl Layout {
    /// Makes sure that `directory` is there and private: the broker binds in no other one (N-10).
    pub fn prepare(directory: &Path, definitions: Option<&Path>) -> Result<Self, String> {
        match DirBuilder::new().mode(0o700).create(directory) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => {
                return Err(format!("{}: {error}", directory.display()));
            }
            _ => {}
        }
        // Endpoints travel to clients, whose working directory is another one.
        let directory = fs::canonicalize(directory).map_err(|error| format!("{}: {error}", directory.display()))?;
        let mode = fs::metadata(&directory).map_err(|error| error.to_string())?.permissions().mode() & 0o777;
        if mode != 0o700 {
            return Err(format!("{} has mode {mode:o}, but the broker wants 700", directory.display()));
        }
        let layout = Self {
            broker: directory.join("broker.sock"),
            backend: directory.join("backend.sock"),
            handoff: directory.join("handoff.sock"),
            definitions: definitions.map_or_else(|| directory.join("services"), Path::to_path_buf),
        };
        layout.remove_sockets();
        Ok(layout)
    }

    /// Removes what a run before this one, or a broker that ended badly, may have left (V-38).
    pub fn remove_sockets(&self) {
        for path in [&self.broker, &self.backend, &self.handoff] {
            remove_socket(path);
        }
    }
}

/// Removes a socket file; leaves any other kind of file alone.
pub fn remove_socket(path: &Path) {
    if fs::symlink_metadata(path).is_ok_and(|file| file.file_type().is_socket()) {
        let _ = fs::remove_file(path);
    }
}

/// Listens on a socket that no other user may dial.
pub fn listen(path: &Path) -> Result<UnixListener, String> {
    let failed = |error: std::io::Error| format!("{}: {error}", path.display());
    let listener = UnixListener::bind(path).map_err(failed)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).map_err(failed)?;
    Ok(listener)
}

/// The path as the text in which endpoints are passed around.
pub fn endpoint_text(path: &Path) -> Result<String, String> {
    path.to_str().map(str::to_owned).ok_or_else(|| format!("{} is not UTF-8", path.display()))
}

/// Writes the service's definition and returns the namespace its backend belongs to.
///
/// `binary_path` is this very program: the registered broker knows its backend under its own executable's hash and
/// refuses every Hello for another one (V-62).
pub fn write_definition(directory: &Path, service: &str, min_version: &str) -> Result<String, String> {
    let executable = std::env::current_exe().map_err(|error| format!("own executable: {error}"))?;
    let definition = ServiceDefinition {
        service_name: service.to_owned(),
        binary_path: endpoint_text(&executable)?,
        isolation: BrokerIsolation::SharedBroker as i32,
        min_version: min_version.to_owned(),
        ..ServiceDefinition::default()
    };
    // Creates the directory with mode 0700 and checks the definition (D-03..D-05).
    write_service_definition(directory, &definition).map_err(|error| error.to_string())?;
    BrokerInstanceKey::from_service_definition(&definition).map(|key| key.id()).map_err(|error| error.to_string())
}
