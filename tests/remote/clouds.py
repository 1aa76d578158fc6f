"""Servers for tests that speak the part of Google Cloud Storage and of Azure Blob Storage that reading
takes: objects whole and in ranges, and lists of what is below a prefix. Signatures are not checked.

A folder is the bucket or container `cells`. Google's objects are at `/cells/KEY`, Azure's at
`/account/cells/KEY`. As Azure itself, the second knows no ranges that count from the end.
"""

import email.utils
import os
import time
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

from server import Handler, Server


class Cloud(Server):
    """A server of one of the two, "google" or "azure"."""

    def __init__(self, folder, service):
        self.service = service
        self.bucket = "/cells" if service == "google" else "/account/cells"
        super().__init__(folder)
        self.RequestHandlerClass = CloudHandler


class CloudHandler(Handler):
    def answer(self, with_body):
        url = urlsplit(self.path)
        bucket, path = self.server.bucket, unquote(url.path)
        if path != bucket and not path.startswith(bucket + "/"):
            return self.refuse(404)
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        if "list-type" in query or query.get("comp") == "list":
            return self.send_list(query.get("prefix", ""))
        if self.server.service == "azure" and self.headers.get("Range", "").startswith("bytes=-"):
            return self.refuse(400)
        self.path = url.path[len(bucket) :] or "/"
        return super().answer(with_body)

    def send_list(self, prefix):
        """Sends the names below a prefix up to the next slash."""
        folder = os.path.join(self.server.folder, prefix)
        names = sorted(os.listdir(folder)) if os.path.isdir(folder) else []
        folders = [name for name in names if os.path.isdir(os.path.join(folder, name))]
        files = [name for name in names if name not in folders]
        stamp = time.time()
        if self.server.service == "google":
            day = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(stamp))
            parts = [
                f"<Contents><Key>{escape(prefix + name)}</Key><LastModified>{day}</LastModified><ETag>x</ETag>"
                f"<Size>1</Size></Contents>"
                for name in files
            ]
            parts += [f"<CommonPrefixes><Prefix>{escape(prefix + name)}/</Prefix></CommonPrefixes>" for name in folders]
            text = f"<ListBucketResult><IsTruncated>false</IsTruncated>{''.join(parts)}</ListBucketResult>"
        else:
            day = email.utils.formatdate(stamp, usegmt=True)
            parts = [
                f"<Blob><Name>{escape(prefix + name)}</Name><Properties><Last-Modified>{day}</Last-Modified>"
                "<Content-Length>1</Content-Length><Content-Type>x</Content-Type><Etag>x</Etag></Properties></Blob>"
                for name in files
            ]
            parts += [f"<BlobPrefix><Name>{escape(prefix + name)}/</Name></BlobPrefix>" for name in folders]
            blobs = f"<Blobs>{''.join(parts)}</Blobs>"
            text = f"<EnumerationResults>{blobs}<NextMarker/></EnumerationResults>"
        self.refuse(200, f'<?xml version="1.0" encoding="utf-8"?>{text}'.encode())
        return None
