//! As much of HTTP/1.1 as one page needs: a bounded request head, one answer, the end.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::Semaphore;

use super::Answer;

/// Longest request head, in bytes.
const HEAD_MAX: usize = 8 * 1024;
/// How long one request may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// Requests at once; more wait.
const REQUESTS_MAX: usize = 8;
/// How long accepting pauses after it failed: the process may have no descriptors left.
const PAUSE: Duration = Duration::from_secs(1);
/// OpenMetrics' own type.
const TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

pub(super) async fn serve_unix(socket: UnixListener, answer: Answer) {
    let requests = Arc::new(Semaphore::new(REQUESTS_MAX));
    loop {
        let accepted = socket.accept().await.map(|(stream, _)| stream);
        serve(accepted, &requests, &answer).await;
    }
}

pub(super) async fn serve_tcp(socket: TcpListener, answer: Answer) {
    let requests = Arc::new(Semaphore::new(REQUESTS_MAX));
    loop {
        let accepted = socket.accept().await.map(|(stream, _)| stream);
        serve(accepted, &requests, &answer).await;
    }
}

async fn serve<S>(accepted: std::io::Result<S>, requests: &Arc<Semaphore>, answer: &Answer)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let stream = match accepted {
        Ok(stream) => stream,
        Err(error) => {
            tracing::warn!("a reader of metrics can't be accepted: {error}");
            return tokio::time::sleep(PAUSE).await;
        }
    };
    // The semaphore is never closed.
    let Ok(turn) = Arc::clone(requests).acquire_owned().await else {
        return;
    };
    let answer = Arc::clone(answer);
    tokio::spawn(async move {
        let _turn = turn;
        // A reader that goes away, or never says what it wants, is answered nothing.
        let _ = tokio::time::timeout(PATIENCE, exchange(stream, &answer)).await;
    });
}

async fn exchange(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    answer: &Answer,
) -> std::io::Result<()> {
    let mut head = Vec::new();
    let mut part = [0; 1024];
    let response = loop {
        let read = stream.read(&mut part).await?;
        if read == 0 {
            return Ok(());
        }
        head.extend_from_slice(&part[..read]);
        let ended = |end: &[u8]| head.windows(end.len()).any(|window| window == end);
        if ended(b"\r\n\r\n") || ended(b"\n\n") {
            break respond(&head, answer);
        }
        if head.len() > HEAD_MAX {
            break page(
                "431 Request Header Fields Too Large",
                "text/plain",
                "",
                true,
            );
        }
    };
    stream.write_all(response.as_bytes()).await?;
    stream.shutdown().await
}

fn respond(head: &[u8], answer: &Answer) -> String {
    let line = head.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let line = String::from_utf8_lossy(line);
    let mut words = line.split_ascii_whitespace();
    let (method, target) = (words.next().unwrap_or(""), words.next().unwrap_or(""));
    let plain = "text/plain; charset=utf-8";
    if !words
        .next()
        .is_some_and(|version| version.starts_with("HTTP/1."))
    {
        return page("400 Bad Request", plain, "this is no HTTP/1.1\n", true);
    }
    if !["GET", "HEAD"].contains(&method) {
        return page("405 Method Not Allowed", plain, "only GET\n", true);
    }
    let path = target.split('?').next().unwrap_or_default();
    if path != "/metrics" {
        return page("404 Not Found", plain, "there is only /metrics\n", true);
    }
    match answer() {
        Ok(text) => page("200 OK", TYPE, &text, method == "GET"),
        Err(error) => {
            tracing::error!("metrics can't be written: {error}");
            page("500 Internal Server Error", plain, "see the log\n", true)
        }
    }
}

fn page(status: &str, kind: &str, body: &str, with_body: bool) -> String {
    let length = body.len();
    let body = if with_body { body } else { "" };
    format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\
         Connection: close\r\n\r\n{body}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(head: &str) -> String {
        let answer: Answer = Arc::new(|| Ok("# EOF\n".to_owned()));
        respond(head.as_bytes(), &answer)
    }

    #[test]
    fn one_page_is_there_and_all_else_is_refused() {
        let well = asked("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
        assert!(well.starts_with("HTTP/1.1 200 OK\r\n"), "{well}");
        assert!(well.ends_with("\r\n\r\n# EOF\n"), "{well}");
        assert!(asked("HEAD /metrics HTTP/1.0\r\n\r\n").ends_with("\r\n\r\n"));
        for (head, status) in [
            ("GET / HTTP/1.1\r\n\r\n", "404"),
            ("POST /metrics HTTP/1.1\r\n\r\n", "405"),
            ("GET /metrics\r\n\r\n", "400"),
            ("\u{0}\r\n\r\n", "400"),
        ] {
            let got = asked(head);
            assert!(got.starts_with(&format!("HTTP/1.1 {status}")), "{got}");
        }
    }

    #[tokio::test]
    async fn a_head_without_end_is_cut_off() {
        let (mut ours, theirs) = tokio::io::duplex(1 << 20);
        let answer: Answer = Arc::new(|| Ok(String::new()));
        ours.write_all(&vec![b'x'; HEAD_MAX + 2048]).await.unwrap();
        exchange(theirs, &answer).await.unwrap();
        let mut text = String::new();
        ours.read_to_string(&mut text).await.unwrap();
        assert!(text.starts_with("HTTP/1.1 431"), "{text}");
    }
}
