/* A main for fuzz targets where no fuzzer is at hand: calls the target with each file named, or each file of each
 * folder named. The target's own asserts are the test. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int replayed;

static int replay_file(const char *path)
{
        FILE *f = fopen(path, "rb");
        if (f == nullptr || fseek(f, 0, SEEK_END) != 0) {
                perror(path);
                return 1;
        }
        long     end = ftell(f);
        size_t   size = end < 0 ? 0 : (size_t)end;
        uint8_t *data = malloc(size + 1);
        rewind(f);
        int bad = data == nullptr || fread(data, 1, size, f) != size;
        fclose(f);
        if (bad)
                perror(path);
        else
                LLVMFuzzerTestOneInput(data, size);
        free(data);
        replayed++;
        return bad;
}

static int replay_folder(const char *path)
{
        DIR *folder = opendir(path);
        if (folder == nullptr) {
                perror(path);
                return 1;
        }
        int bad = 0;
        for (struct dirent *entry; (entry = readdir(folder)) != nullptr;) {
                char name[4096];
                if (entry->d_name[0] == '.')
                        continue;
                snprintf(name, sizeof name, "%s/%s", path, entry->d_name);
                bad |= replay_file(name);
        }
        closedir(folder);
        return bad;
}

int main(int argc, char **argv)
{
        int bad = argc < 2;
        for (int i = 1; i < argc; i++) {
                struct stat s;
                bool        folder = stat(argv[i], &s) == 0 && S_ISDIR(s.st_mode);
                bad |= folder ? replay_folder(argv[i]) : replay_file(argv[i]);
        }
        printf("%d inputs replayed\n", replayed);
        return bad;
}
