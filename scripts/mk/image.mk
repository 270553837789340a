# The bootable image, put together in the box root: image/README.md.
NEWEST := /etc/lethe-root-newest

image: box-root programs ## the bootable image, in build/image
	@python3 -B image/make_image.py
	@ls -l build/image | awk 'NF > 8 && $$1 !~ /^d/ {printf "%12d  build/image/%s\n", $$5, $$9}'

# The same with programs that do not wipe: a search that finds nothing in this one is worth nothing.
control-image: image nowipe
	@cp build/bin/lethe-init build/nowipe/bin/
	@python3 -B image/make_image.py --programs build/nowipe/bin --out build/control-image --raw-only

vm: image build ## the image in QEMU before the mock vendor, on the addresses of make run; writes build/run/env
	@exec python3 -B scripts/vm.py

prove-zero-log: image control-image build ## the canary proof on the booted image; writes build/zero-log.md and .json
	@python3 -B tests/boot/prove.py --report build/zero-log

image-for-test: $(if $(LETHE_NO_IMAGE)$(wildcard $(NEWEST)),no-image,image control-image)
no-image:
	@rm -rf build/image build/control-image

# An image is what the lock says or nothing.
box-root:
	@[ -e /etc/lethe-root ] && command -v grub-mkimage >/dev/null || \
		{ echo "lethe: an image is made in a root of its own: run make image on the host, without NATIVE" >&2; exit 1; }
	@[ ! -e $(NEWEST) ] || \
		{ echo "lethe: the mirror no longer has what scripts/root.lock names, so the box root is newer:" \
			"run make lock, commit it, then make image" >&2; exit 1; }

.PHONY: image control-image vm prove-zero-log image-for-test no-image box-root
