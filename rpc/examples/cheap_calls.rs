//! What a cheap call costs the daemon: CPU time for each, one at a time and several in flight,
//! and resident memory for each idle connection.
//!
//! `cargo run --release -p virt-rpc --example cheap_calls`; with `serve PATH` it only serves.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Instant;

use virt_rpc::framing::{Header, MessageKind, Status, append};
use virt_rpc::protocol::remote::{
    ConnectGetHostname, ConnectGetHostnameRet, ConnectGetLibVersion, ConnectGetLibVersionRet,
    ConnectGetUri, ConnectGetUriRet, ConnectOpenArgs, ConnectSupportsFeature,
    ConnectSupportsFeatureRet, DomainGetState, DomainGetStateArgs, DomainGetStateRet,
    NonnullDomain,
};
use virt_rpc::protocol::{Procedure, Program};
use virt_rpc::server::{BindOptions, Limits, Listener, Role, Router, Server, Settings};
use virt_rpc::xdr;

type Outcome<T = ()> = Result<T, Box<dyn std::error::Error>>;

fn main() -> Outcome {
    let mut arguments = std::env::args().skip(1);
    if arguments.next().as_deref() == Some("serve") {
        let path = arguments.next().ok_or("serve PATH")?;
        return serve(Path::new(&path));
    }
    let path = PathBuf::from(format!("/tmp/cheap-calls-{}", std::process::id()));
    let server = std::process::Command::new(std::env::current_exe()?)
        .arg("serve")
        .arg(&path)
        .spawn()?;
    let measured = measure(server.id(), &path);
    let mut server = server;
    server.kill()?;
    server.wait()?;
    std::fs::remove_file(&path)?;
    measured
}

fn serve(path: &Path) -> Outcome {
    let mut router = Router::new(&[Program::Remote], |_, opening| {
        Ok(opening.uri.unwrap_or("test:///default").to_owned())
    });
    router.call::<ConnectGetUri>(|call| {
        Ok(ConnectGetUriRet {
            uri: call.session().clone(),
        })
    });
    router.call::<ConnectGetHostname>(|_| {
        Ok(ConnectGetHostnameRet {
            hostname: "cheap.example".to_owned(),
        })
    });
    router.call::<ConnectGetLibVersion>(|_| {
        Ok(ConnectGetLibVersionRet {
            lib_ver: 11_003_000,
        })
    });
    router.call::<ConnectSupportsFeature>(|_| Ok(ConnectSupportsFeatureRet { supported: 0 }));
    router.call::<DomainGetState>(|_| {
        Ok(DomainGetStateRet {
            state: 1,
            reason: 1,
        })
    });
    let settings = Settings {
        limits: Limits {
            clients: 20_000,
            ..Limits::default()
        },
        ..Settings::default()
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let server = Server::new(router, settings);
        let options = BindOptions {
            mode: 0o700,
            group: None,
            backlog: 1000,
        };
        server.listen(Listener::bind(path, Role::Main, options)?)?;
        std::future::pending().await
    })
}

fn measure(server: u32, path: &Path) -> Outcome {
    while UnixStream::connect(path).is_err() {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    let mut client = Caller::connect(path)?;
    let domain = DomainGetStateArgs {
        dom: NonnullDomain {
            name: "guest".to_owned(),
            uuid: [7; 16],
            id: 1,
        },
        flags: 0,
    };
    let domain = xdr::to_bytes(&domain)?;
    for (what, proc, arguments) in [
        ("lib version", ConnectGetLibVersion::ROW.number, &[][..]),
        ("domain state", DomainGetState::ROW.number, &domain[..]),
    ] {
        for in_flight in [1, 5, 50] {
            client.calls(proc, arguments, in_flight, 20_000)?;
            let calls = 200_000;
            let (cpu, start) = (cpu_seconds(server)?, Instant::now());
            client.calls(proc, arguments, in_flight, calls)?;
            let cpu = (cpu_seconds(server)? - cpu) * 1e6 / calls as f64;
            let rate = calls as f64 / start.elapsed().as_secs_f64();
            println!("{what}, {in_flight} in flight: {cpu:.2} µs CPU a call, {rate:.0} calls/s");
        }
    }
    let (cpu, start) = (cpu_seconds(server)?, Instant::now());
    for _ in 0..5000 {
        Caller::connect(path)?;
    }
    let cpu = (cpu_seconds(server)? - cpu) * 1e6 / 5000.0;
    let rate = 5000.0 / start.elapsed().as_secs_f64();
    println!("connect and open: {cpu:.1} µs CPU, {rate:.0} a second");
    let idle = rustix::process::getrlimit(rustix::process::Resource::Nofile)
        .current
        .unwrap_or(1024)
        .min(10_000) as usize
        - 50;
    let before = resident_kib(server)?;
    let clients = (0..idle)
        .map(|_| Caller::connect(path))
        .collect::<Outcome<Vec<_>>>()?;
    let grown = resident_kib(server)? - before;
    println!(
        "{} idle connections: {:.2} KiB each",
        clients.len(),
        grown as f64 / clients.len() as f64
    );
    Ok(())
}

struct Caller {
    socket: UnixStream,
    serial: u32,
}

impl Caller {
    fn connect(path: &Path) -> Outcome<Self> {
        let mut caller = Self {
            socket: UnixStream::connect(path)?,
            serial: 0,
        };
        let open = xdr::to_bytes(&ConnectOpenArgs {
            name: Some("qemu:///system".to_owned()),
            flags: 0,
        })?;
        caller.calls(1, &open, 1, 1)?;
        Ok(caller)
    }

    fn calls(&mut self, proc: i32, arguments: &[u8], in_flight: usize, count: usize) -> Outcome {
        let mut input = Vec::new();
        let mut buffer = vec![0; 65_536];
        let mut done = 0;
        while done < count {
            let mut output = Vec::new();
            for _ in 0..in_flight.min(count - done) {
                let header = Header {
                    prog: Program::Remote.number(),
                    vers: 1,
                    proc,
                    kind: MessageKind::Call,
                    serial: self.serial,
                    status: Status::Ok,
                };
                self.serial += 1;
                append(&mut output, &header, 0, arguments)?;
            }
            self.socket.write_all(&output)?;
            let mut waiting = in_flight.min(count - done);
            done += waiting;
            while waiting > 0 {
                let read = self.socket.read(&mut buffer)?;
                if read == 0 {
                    return Err("the server closed".into());
                }
                input.extend_from_slice(&buffer[..read]);
                while let Some(frame) = virt_rpc::framing::Frame::cut(&input)? {
                    if frame.header.status != Status::Ok {
                        return Err("a call failed".into());
                    }
                    let size = frame.size;
                    input.drain(..size);
                    waiting -= 1;
                }
            }
        }
        Ok(())
    }
}

/// User and system time of all threads of a process.
fn cpu_seconds(process: u32) -> Outcome<f64> {
    let schedstat = std::fs::read_to_string(format!("/proc/{process}/schedstat"))?;
    let nanoseconds: f64 = schedstat
        .split_ascii_whitespace()
        .next()
        .ok_or("empty schedstat")?
        .parse()?;
    Ok(nanoseconds / 1e9)
}

fn resident_kib(process: u32) -> Outcome<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .ok_or("no VmRSS")?;
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}
