"""What VMware is told of the machine: its virtual hardware, by names that its importers know, each with a driver in
modules.txt."""

# ESXi 6.7, Workstation 14 and later.
HARDWARE = 14
PROCESSORS, MEMORY_MIB = 2, 1024

TEXT = """<?xml version="1.0" encoding="UTF-8"?>
<Envelope xmlns="http://schemas.dmtf.org/ovf/envelope/1" xmlns:ovf="http://schemas.dmtf.org/ovf/envelope/1"
 xmlns:rasd="http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_ResourceAllocationSettingData"
 xmlns:vssd="http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_VirtualSystemSettingData"
 xmlns:vmw="http://www.vmware.com/schema/ovf">
 <References>
  <File ovf:id="file1" ovf:href="{disk}" ovf:size="{file_bytes}"/>
 </References>
 <DiskSection>
  <Info>Disks</Info>
  <Disk ovf:diskId="vmdisk1" ovf:fileRef="file1" ovf:capacity="{disk_bytes}" ovf:capacityAllocationUnits="byte"
   ovf:format="http://www.vmware.com/interfaces/specifications/vmdk.html#streamOptimized"/>
 </DiskSection>
 <NetworkSection>
  <Info>Networks</Info>
  <Network ovf:name="VM Network"><Description>Callers, operators and vendors</Description></Network>
 </NetworkSection>
 <VirtualSystem ovf:id="lethe">
  <Info>A relay between applications and LLM vendors, that forgets</Info>
  <Name>Lethe {version}</Name>
  <OperatingSystemSection ovf:id="101" vmw:osType="other4xLinux64Guest">
   <Info>Linux</Info>
  </OperatingSystemSection>
  <VirtualHardwareSection>
   <Info>Virtual hardware</Info>
   <System>
    <vssd:ElementName>Virtual Hardware Family</vssd:ElementName>
    <vssd:InstanceID>0</vssd:InstanceID>
    <vssd:VirtualSystemIdentifier>lethe</vssd:VirtualSystemIdentifier>
    <vssd:VirtualSystemType>vmx-{hardware}</vssd:VirtualSystemType>
   </System>
{items}   <vmw:Config ovf:required="false" vmw:key="firmware" vmw:value="efi"/>
   <vmw:Config ovf:required="false" vmw:key="bootOptions.efiSecureBootEnabled" vmw:value="false"/>
   <vmw:Config ovf:required="false" vmw:key="memoryHotAddEnabled" vmw:value="false"/>
  </VirtualHardwareSection>
 </VirtualSystem>
</Envelope>
"""
# Elements of an item stand in the order of their names: importers check it against the schema.
ITEMS = (
    {"AllocationUnits": "hertz * 10^6", "ElementName": "Processors", "InstanceID": 1, "ResourceType": 3,
     "VirtualQuantity": PROCESSORS},
    {"AllocationUnits": "byte * 2^20", "ElementName": "Memory", "InstanceID": 2, "ResourceType": 4,
     "VirtualQuantity": MEMORY_MIB},
    {"Address": 0, "ElementName": "SCSI controller", "InstanceID": 3, "ResourceSubType": "VirtualSCSI",
     "ResourceType": 6},
    {"AddressOnParent": 0, "ElementName": "Disk", "HostResource": "ovf:/disk/vmdisk1", "InstanceID": 4, "Parent": 3,
     "ResourceType": 17},
    {"AddressOnParent": 7, "AutomaticAllocation": "true", "Connection": "VM Network", "ElementName": "Network",
     "InstanceID": 5, "ResourceSubType": "VmxNet3", "ResourceType": 10},
)


def item(row):
    inside = "".join(f"    <rasd:{name}>{row[name]}</rasd:{name}>\n" for name in row)
    return f"   <Item>\n{inside}   </Item>\n"


def document(disk, file_bytes, disk_bytes, version):
    return TEXT.format(disk=disk, file_bytes=file_bytes, disk_bytes=disk_bytes, version=version, hardware=HARDWARE,
                       items="".join(map(item, ITEMS)))
