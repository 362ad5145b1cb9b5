"""Fill the local registry: one shared layer under every name in a JSON file; only the image configs differ.

usage: images.py LAYER.tgz IMAGES.json      IMAGES.json: {"REF": {OCI image config fields}}
"""
import gzip, hashlib, json, platform, sys, urllib.error, urllib.request

REGISTRY = "http://127.0.0.1:5000"
ARCHITECTURE = {"x86_64": "amd64", "aarch64": "arm64"}[platform.machine()]


def call(method, url, data=None, content_type="application/octet-stream"):
    url = url if url.startswith("http") else REGISTRY + url
    request = urllib.request.Request(url, data=data, method=method, headers={"Content-Type": content_type})
    return urllib.request.urlopen(request)


def digest(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


def put_blob(repository, data, mounted_from=None):
    name = digest(data)
    try:
        call("HEAD", f"/v2/{repository}/blobs/{name}")
        return name
    except urllib.error.HTTPError:
        pass
    mount = f"?mount={name}&from={mounted_from}" if mounted_from else ""
    started = call("POST", f"/v2/{repository}/blobs/uploads/{mount}", b"")
    if started.status != 201:
        location = started.headers["Location"]
        call("PUT", f"{location}{'&' if '?' in location else '?'}digest={name}", data)
    return name


def repository_and_tag(reference):
    """docker.io's short names live under library/; another host's name is dropped, as the mirror drops it."""
    name, _, tag = reference.partition(":")
    host, slash, rest = name.partition("/")
    if slash and ("." in host or host == "localhost"):
        name = rest
    elif not slash:
        name = "library/" + name
    return name, tag or "latest"


def push(reference, config, layer, layer_digest, diff_id):
    repository, tag = repository_and_tag(reference)
    put_blob(repository, layer, mounted_from="base")
    env = ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", *config.get("Env", [])]
    image = {"architecture": ARCHITECTURE, "os": "linux", "config": {**config, "Env": env}, "rootfs": {"type": "layers", "diff_ids": [diff_id]}}
    image["history"] = [{"created_by": reference}]
    blob = json.dumps(image).encode()
    manifest = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": put_blob(repository, blob), "size": len(blob)},
        "layers": [{"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip", "digest": layer_digest, "size": len(layer)}],
    }
    call("PUT", f"/v2/{repository}/manifests/{tag}", json.dumps(manifest).encode(), manifest["mediaType"])


def main(layer_path, images_path):
    layer = open(layer_path, "rb").read()
    diff_id = digest(gzip.decompress(layer))
    layer_digest = put_blob("base", layer)
    for reference, config in json.load(open(images_path)).items():
        push(reference, config, layer, layer_digest, diff_id)


if __name__ == "__main__":
    main(*sys.argv[1:])
